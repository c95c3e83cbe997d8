"""Draws the sky: the light of a time of day, what a weather makes of it, sun, moon and clouds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from .brush import Canvas, disc
from .palette import Rgb, dim, mix

SKIES: dict[str, tuple[Rgb, Rgb, Rgb]] = {  # top, middle, horizon
    "dawn": ((132, 158, 226), (246, 178, 202), (255, 234, 206)),
    "day": ((58, 150, 236), (124, 196, 248), (212, 238, 252)),
    "sunset": ((92, 44, 128), (236, 86, 78), (255, 190, 84)),
    "night": ((16, 20, 74), (34, 46, 122), (80, 96, 176)),
}
SPACE: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "dawn": ((30, 26, 74), (92, 62, 132), (196, 130, 176)),
    "day": ((10, 16, 58), (24, 52, 124), (56, 116, 190)),
    "sunset": ((32, 10, 52), (104, 26, 78), (204, 78, 72)),
    "night": ((10, 8, 36), (22, 20, 66), (50, 44, 108)),
}
HORIZON = 0.6  # of the height, from the top
RAINBOW: tuple[Rgb, ...] = (
    (236, 70, 66),
    (250, 176, 60),
    (250, 230, 90),
    (90, 190, 100),
    (80, 120, 220),
)


@dataclass(frozen=True, slots=True)
class _Air:
    """What is drawn on, its size in pixels, and the lots of this picture."""

    picture: Image.Image
    canvas: Canvas
    width: int
    height: int
    rng: random.Random

    @property
    def unit(self) -> int:
        """The shorter side, by which things in the sky are sized."""
        return min(self.width, self.height)


def sky(
    width: int, height: int, time: str, weather: str, place: str, rng: random.Random
) -> Image.Image:
    """A new picture of the sky with what stands in it; canvas pixels."""
    stops = SPACE[time] if place == "space" else _weathered(SKIES[time], time, weather)
    picture = _gradient(width, height, stops).copy()
    air = _Air(picture, ImageDraw.Draw(picture), width, height, rng)
    if place == "space":
        _space(air, time)
    elif weather in ("clear", "rainbow"):
        _LIGHTS[time](air)
    elif weather in ("rain", "storm"):
        _overcast(air, time, weather)
    if weather == "rainbow":
        _rainbow(air)
    return picture


def _weathered(stops: tuple[Rgb, Rgb, Rgb], time: str, weather: str) -> tuple[Rgb, Rgb, Rgb]:
    grey, amount = {
        "rain": ((140, 152, 168), 0.55),
        "storm": ((72, 78, 96), 0.72),
        "snow": ((206, 216, 230), 0.5),
        "fog": ((214, 218, 224), 0.62),
    }.get(weather, ((0, 0, 0), 0.0))
    if time == "night":
        grey = dim(grey, 0.5)
    top, middle, low = (mix(colour, grey, amount) for colour in stops)
    return top, middle, low


@cache
def _gradient(width: int, height: int, stops: tuple[Rgb, Rgb, Rgb]) -> Image.Image:
    table = np.array(stops, dtype=np.float32)
    at = np.linspace(0, 2, round(height * (HORIZON + 0.06)))
    rows = [np.interp(at, (0, 1, 2), table[:, channel]) for channel in range(3)]
    column = np.full((height, 3), table[2], dtype=np.float32)
    column[: len(at)] = np.stack(rows, axis=1)
    pixels = np.repeat(column[:, None], width, axis=1).round().astype(np.uint8)
    return Image.fromarray(pixels)


def _day(air: _Air) -> None:
    x, y = air.rng.uniform(0.78, 0.9), air.rng.uniform(0.13, 0.22)
    _sun(air, x, y, ((0.13, (255, 244, 178)), (0.095, (255, 218, 70))))
    _clouds(air, (255, 255, 255), 0.1, 0.34)


def _dawn(air: _Air) -> None:
    x = air.rng.uniform(0.66, 0.82)
    _sun(air, x, HORIZON - 0.05, ((0.2, (255, 244, 220)), (0.13, (255, 252, 240))))
    _clouds(air, (255, 226, 230), 0.08, 0.3)


def _sunset(air: _Air) -> None:
    x = air.rng.uniform(0.18, 0.34)
    _sun(air, x, HORIZON - 0.06, ((0.24, (255, 166, 80)), (0.16, (255, 226, 120))))
    _clouds(air, (240, 126, 120), 0.08, 0.28)


def _night(air: _Air) -> None:
    _stars(air, air.rng.randint(6, 9))
    x = air.rng.uniform(0.14, 0.26) * air.width
    y = air.rng.uniform(0.14, 0.22) * air.height
    back = air.picture.getpixel((0, int(y)))
    disc(air.canvas, x, y, 0.12 * air.unit, (255, 246, 196))
    # A moon is a disc with another one of the sky's colour over it.
    disc(air.canvas, x + 0.065 * air.unit, y - 0.035 * air.unit, 0.1 * air.unit, back)  # type: ignore[arg-type]


_LIGHTS = {"day": _day, "dawn": _dawn, "sunset": _sunset, "night": _night}


def _sun(air: _Air, x: float, y: float, discs: tuple[tuple[float, Rgb], ...]) -> None:
    """Discs over each other at a place given in shares of the picture."""
    for radius, fill in discs:
        disc(air.canvas, x * air.width, y * air.height, radius * air.unit, fill)


def _stars(air: _Air, count: int) -> None:
    for _ in range(count):
        x, y = air.rng.random() * air.width, air.rng.random() * 0.5 * air.height
        disc(air.canvas, x, y, air.rng.uniform(0.013, 0.018) * air.unit, (244, 240, 214))


def _space(air: _Air, time: str) -> None:
    """Stars and a planet with a ring."""
    canvas, width, height, unit, rng = air.canvas, air.width, air.height, air.unit, air.rng
    _stars(air, rng.randint(8, 11))
    x, y = rng.uniform(0.74, 0.86) * width, rng.uniform(0.15, 0.24) * height
    tone = {"day": (120, 200, 220), "dawn": (248, 196, 190), "sunset": (250, 160, 90)}.get(
        time, (150, 150, 210)
    )
    r = 0.11 * unit
    disc(canvas, x, y, r, tone)
    canvas.chord((x - r, y - r, x + r, y + r), 20, 160, fill=dim(tone, 0.8))
    ring = (x - 1.7 * r, y - 0.5 * r, x + 1.7 * r, y + 0.5 * r)
    canvas.arc(ring, -8, 188, fill=mix(tone, (255, 255, 255), 0.5), width=max(3, round(0.24 * r)))


def _overcast(air: _Air, time: str, weather: str) -> None:
    """A bank of clouds along the top; a storm's is dark and lets down one bolt."""
    canvas, width, height, unit, rng = air.canvas, air.width, air.height, air.unit, air.rng
    tones: tuple[Rgb, ...] = ((128, 138, 156), (150, 158, 174), (170, 178, 192))
    if weather == "storm":
        tones = ((46, 50, 66), (60, 66, 84), (76, 82, 100))
    if time == "night":
        tones = tuple(dim(tone, 0.62) for tone in tones)
    steps = round(5 * width / unit)
    for step in range(steps):
        x = (step + rng.uniform(0.1, 0.9)) / steps * width
        y = rng.uniform(-0.02, 0.08) * height
        disc(canvas, x, y, rng.uniform(0.14, 0.2) * unit, rng.choice(tones))
    if weather == "storm":
        x = rng.uniform(0.12, 0.22) * width
        bolt = ((0, 0), (0.1, 0), (0.055, 0.12), (0.12, 0.12), (-0.03, 0.35), (0.01, 0.18))
        bolt += ((-0.055, 0.18),)
        canvas.polygon(
            [(x + dx * unit, 0.13 * height + dy * unit) for dx, dy in bolt], fill=(255, 236, 120)
        )


def _rainbow(air: _Air) -> None:
    """Five broad bands, half transparent, from the horizon over the picture."""
    picture, width, height, unit, rng = air.picture, air.width, air.height, air.unit, air.rng
    layer = Image.new("RGB", picture.size)
    mask = Image.new("L", picture.size, 0)
    draw, cut = ImageDraw.Draw(layer), ImageDraw.Draw(mask)
    x, y = rng.uniform(0.42, 0.58) * width, (HORIZON + 0.06) * height
    outer, band = 0.56 * unit, 0.032 * unit
    for number, colour in enumerate(RAINBOW):
        disc(draw, x, y, outer - number * band, colour)
    cut.ellipse((x - outer, y - outer, x + outer, y + outer), fill=200)
    inner = outer - len(RAINBOW) * band
    cut.ellipse((x - inner, y - inner, x + inner, y + inner), fill=0)
    picture.paste(layer, (0, 0), mask)


def _clouds(air: _Air, fill: Rgb, low: float, high: float) -> None:
    """A large one on the left and a small one, between these shares of the height."""
    canvas, rng = air.canvas, air.rng
    for middle, scale in ((0.2, 1.0), (0.58, 0.7)):
        x = (middle + rng.uniform(-0.08, 0.08)) * air.width
        y = rng.uniform(low, high) * air.height
        size = scale * rng.uniform(0.08, 0.1) * air.unit
        for dx, dy, r in ((-1.2, 0.25, 0.7), (0.0, 0.0, 1.0), (1.1, 0.25, 0.75)):
            disc(canvas, x + dx * size, y + dy * size, r * size, fill)
        base = (x - 1.9 * size, y + 0.25 * size, x + 1.85 * size, y + 0.98 * size)
        canvas.rounded_rectangle(base, 0.36 * size, fill=fill)
