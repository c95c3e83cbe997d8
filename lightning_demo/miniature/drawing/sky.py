"""Draws the sky: the light of a time of day, what a weather makes of it, sun, moon and clouds."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from .brush import Canvas, disc
from .palette import Rgb, dim, mix

SKIES: dict[str, tuple[Rgb, Rgb, Rgb]] = {  # top, middle, horizon
    "dawn": ((132, 158, 226), (246, 178, 202), (255, 234, 206)),
    "day": ((58, 150, 236), (124, 196, 248), (212, 238, 252)),
    "sunset": ((92, 44, 128), (236, 86, 78), (255, 190, 84)),
    "night": ((10, 12, 50), (24, 32, 92), (58, 68, 138)),
}
SPACE: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "dawn": ((30, 26, 74), (92, 62, 132), (196, 130, 176)),
    "day": ((10, 16, 58), (24, 52, 124), (56, 116, 190)),
    "sunset": ((32, 10, 52), (104, 26, 78), (204, 78, 72)),
    "night": ((4, 4, 18), (10, 10, 38), (26, 24, 68)),
}
HORIZON = 0.6  # of the height, from the top
RAINBOW: tuple[Rgb, ...] = (
    (236, 70, 66),
    (250, 176, 60),
    (250, 230, 90),
    (90, 190, 100),
    (80, 120, 220),
)


def sky(
    width: int, height: int, time: str, weather: str, place: str, rng: random.Random
) -> Image.Image:
    """A new picture of the sky with what stands in it; canvas pixels."""
    stops = SPACE[time] if place == "space" else _weathered(SKIES[time], time, weather)
    picture = _gradient(width, height, stops).copy()
    canvas = ImageDraw.Draw(picture)
    unit = min(width, height)
    if place == "space":
        _space(canvas, width, height, unit, time, rng)
    elif weather in ("clear", "rainbow"):
        _LIGHTS[time](picture, canvas, width, height, unit, rng)
    elif weather in ("rain", "storm"):
        _overcast(canvas, width, height, unit, time, weather, rng)
    if weather == "rainbow":
        _rainbow(picture, width, height, unit, rng)
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


def _day(
    picture: Image.Image, canvas: Canvas, width: int, height: int, unit: int, rng: random.Random
) -> None:
    x, y = rng.uniform(0.14, 0.86) * width, rng.uniform(0.13, 0.22) * height
    disc(canvas, x, y, 0.13 * unit, (255, 244, 178))
    disc(canvas, x, y, 0.095 * unit, (255, 218, 70))
    for _ in range(rng.randint(1, 2)):
        _cloud(canvas, rng, width, height, unit, (255, 255, 255), 0.1, 0.34)


def _dawn(
    picture: Image.Image, canvas: Canvas, width: int, height: int, unit: int, rng: random.Random
) -> None:
    x, y = rng.uniform(0.2, 0.8) * width, (HORIZON - 0.05) * height
    disc(canvas, x, y, 0.2 * unit, (255, 244, 220))
    disc(canvas, x, y, 0.13 * unit, (255, 252, 240))
    for _ in range(rng.randint(1, 2)):
        _cloud(canvas, rng, width, height, unit, (255, 226, 230), 0.08, 0.3)


def _sunset(
    picture: Image.Image, canvas: Canvas, width: int, height: int, unit: int, rng: random.Random
) -> None:
    x, y = rng.uniform(0.2, 0.8) * width, (HORIZON - 0.06) * height
    disc(canvas, x, y, 0.24 * unit, (255, 166, 80))
    disc(canvas, x, y, 0.16 * unit, (255, 226, 120))
    for _ in range(rng.randint(1, 2)):
        _cloud(canvas, rng, width, height, unit, (240, 126, 120), 0.08, 0.28)


def _night(
    picture: Image.Image, canvas: Canvas, width: int, height: int, unit: int, rng: random.Random
) -> None:
    _stars(canvas, width, height, unit, rng, rng.randint(6, 9))
    x, y = rng.uniform(0.16, 0.84) * width, rng.uniform(0.14, 0.22) * height
    back = picture.getpixel((0, int(y)))
    disc(canvas, x, y, 0.12 * unit, (255, 246, 196))
    disc(canvas, x + 0.065 * unit, y - 0.035 * unit, 0.1 * unit, back)  # type: ignore[arg-type]


_LIGHTS: dict[str, Callable[..., None]] = {
    "day": _day,
    "dawn": _dawn,
    "sunset": _sunset,
    "night": _night,
}


def _stars(
    canvas: Canvas, width: int, height: int, unit: int, rng: random.Random, count: int
) -> None:
    for _ in range(count):
        x, y = rng.random() * width, rng.random() * 0.5 * height
        disc(canvas, x, y, rng.uniform(0.013, 0.018) * unit, (244, 240, 214))


def _space(
    canvas: Canvas, width: int, height: int, unit: int, time: str, rng: random.Random
) -> None:
    """Stars and a planet with a ring."""
    _stars(canvas, width, height, unit, rng, rng.randint(8, 11))
    x, y = rng.uniform(0.16, 0.84) * width, rng.uniform(0.15, 0.24) * height
    tone = {"day": (120, 200, 220), "dawn": (248, 196, 190), "sunset": (250, 160, 90)}.get(
        time, (150, 150, 210)
    )
    r = 0.11 * unit
    disc(canvas, x, y, r, tone)
    canvas.chord((x - r, y - r, x + r, y + r), 20, 160, fill=dim(tone, 0.8))
    ring = (x - 1.7 * r, y - 0.5 * r, x + 1.7 * r, y + 0.5 * r)
    canvas.arc(ring, -8, 188, fill=mix(tone, (255, 255, 255), 0.5), width=max(3, round(0.24 * r)))


def _overcast(
    canvas: Canvas,
    width: int,
    height: int,
    unit: int,
    time: str,
    weather: str,
    rng: random.Random,
) -> None:
    """A bank of clouds along the top; a storm's is dark and lets down one bolt."""
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
        x = rng.uniform(0.14, 0.86) * width
        bolt = ((0, 0), (0.1, 0), (0.055, 0.12), (0.12, 0.12), (-0.03, 0.35), (0.01, 0.18))
        bolt += ((-0.055, 0.18),)
        canvas.polygon(
            [(x + dx * unit, 0.13 * height + dy * unit) for dx, dy in bolt], fill=(255, 236, 120)
        )


def _rainbow(picture: Image.Image, width: int, height: int, unit: int, rng: random.Random) -> None:
    """Five broad bands, half transparent, from the horizon over the picture."""
    layer = Image.new("RGB", picture.size)
    mask = Image.new("L", picture.size, 0)
    draw, cut = ImageDraw.Draw(layer), ImageDraw.Draw(mask)
    x, y = rng.uniform(0.3, 0.7) * width, (HORIZON + 0.06) * height
    outer, band = 0.56 * unit, 0.032 * unit
    for number, colour in enumerate(RAINBOW):
        disc(draw, x, y, outer - number * band, colour)
    cut.ellipse((x - outer, y - outer, x + outer, y + outer), fill=200)
    inner = outer - len(RAINBOW) * band
    cut.ellipse((x - inner, y - inner, x + inner, y + inner), fill=0)
    picture.paste(layer, (0, 0), mask)


def _cloud(
    canvas: Canvas,
    rng: random.Random,
    width: int,
    height: int,
    unit: int,
    fill: Rgb,
    low: float,
    high: float,
) -> None:
    x, y = rng.random() * width, rng.uniform(low, high) * height
    size = rng.uniform(0.07, 0.1) * unit
    for dx, dy, r in ((-1.2, 0.25, 0.7), (0.0, 0.0, 1.0), (1.1, 0.25, 0.75)):
        disc(canvas, x + dx * size, y + dy * size, r * size, fill)
    canvas.rounded_rectangle(
        (x - 1.9 * size, y + 0.25 * size, x + 1.85 * size, y + 0.98 * size), 0.36 * size, fill=fill
    )
