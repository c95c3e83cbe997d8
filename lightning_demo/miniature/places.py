"""Draws where and when: sky, sun or moon, and the land of each place."""

from __future__ import annotations

import math
import random
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from .palette import Rgb, dim, mix
from .subjects import Canvas

SKIES: dict[str, tuple[Rgb, Rgb, Rgb]] = {  # top, middle, horizon
    "day": ((66, 156, 236), (128, 198, 248), (212, 238, 252)),
    "sunset": ((96, 56, 140), (236, 96, 98), (255, 200, 104)),
    "night": ((12, 14, 52), (28, 36, 96), (62, 72, 142)),
    "storm": ((62, 68, 84), (98, 106, 122), (146, 152, 164)),
}
HORIZON = 0.6  # of the height, from the top


@cache
def _sky(width: int, height: int, time: str) -> Image.Image:
    stops = np.array(SKIES[time], dtype=np.float32)
    at = np.linspace(0, 2, round(height * (HORIZON + 0.06)))
    rows = [np.interp(at, (0, 1, 2), stops[:, channel]) for channel in range(3)]
    column = np.full((height, 3), stops[2], dtype=np.float32)
    column[: len(at)] = np.stack(rows, axis=1)
    pixels = np.repeat(column[:, None], width, axis=1).round().astype(np.uint8)
    return Image.fromarray(pixels)


def lit(colour: Rgb, time: str) -> Rgb:
    """A colour of the land in the light of that time."""
    if time == "sunset":
        return mix(dim(colour, 0.86), (244, 118, 74), 0.3)
    if time == "night":
        return mix(mix(colour, (0, 0, 0), 0.5), (30, 42, 112), 0.42)
    if time == "storm":
        return mix(mix(colour, (0, 0, 0), 0.3), (92, 100, 118), 0.38)
    return colour


def sky(width: int, height: int, time: str, rng: random.Random) -> Image.Image:
    """A new picture of the sky with what stands in it; canvas pixels."""
    picture = _sky(width, height, time).copy()
    canvas = ImageDraw.Draw(picture)
    unit = min(width, height)
    x, y = rng.uniform(0.16, 0.84) * width, rng.uniform(0.13, 0.24) * height
    if time == "day":
        _disc(canvas, x, y, 0.13 * unit, (255, 244, 178))
        _disc(canvas, x, y, 0.095 * unit, (255, 218, 70))
        for _ in range(rng.randint(1, 3)):
            _cloud(canvas, rng, width, height, unit, (255, 255, 255), 0.08, 0.36)
    elif time == "sunset":
        y = (HORIZON - 0.06) * height
        _disc(canvas, x, y, 0.24 * unit, (255, 176, 92))
        _disc(canvas, x, y, 0.16 * unit, (255, 232, 140))
        for _ in range(rng.randint(1, 2)):
            _cloud(canvas, rng, width, height, unit, (250, 142, 128), 0.08, 0.28)
    elif time == "night":
        for _ in range(rng.randint(7, 10)):
            sx, sy = rng.random() * width, rng.random() * 0.5 * height
            _disc(canvas, sx, sy, rng.uniform(0.012, 0.017) * unit, (244, 240, 214))
        back = picture.getpixel((0, int(y)))
        _disc(canvas, x, y, 0.12 * unit, (255, 246, 196))
        _disc(canvas, x + 0.065 * unit, y - 0.035 * unit, 0.1 * unit, back)  # type: ignore[arg-type]
    else:
        for step in range(round(5 * width / unit)):
            cx = (step + rng.uniform(0.1, 0.9)) / (5 * width / unit) * width
            grey = rng.choice(((52, 56, 70), (66, 72, 88), (80, 86, 102)))
            cy = rng.uniform(-0.02, 0.1) * height
            _disc(canvas, cx, cy, rng.uniform(0.14, 0.2) * unit, grey)
        bolt = (
            (0, 0),
            (0.09, 0),
            (0.05, 0.12),
            (0.11, 0.12),
            (-0.03, 0.33),
            (0.01, 0.18),
            (-0.05, 0.18),
        )
        points = [(x + dx * unit, 0.13 * height + dy * unit) for dx, dy in bolt]
        canvas.polygon(points, fill=(255, 236, 120))
    return picture


def _disc(canvas: Canvas, x: float, y: float, r: float, fill: Rgb) -> None:
    canvas.ellipse((x - r, y - r, x + r, y + r), fill=fill)


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
        _disc(canvas, x + dx * size, y + dy * size, r * size, fill)
    canvas.rounded_rectangle(
        (x - 1.9 * size, y + 0.25 * size, x + 1.85 * size, y + 0.98 * size), 0.36 * size, fill=fill
    )


def land(picture: Image.Image, place: str, time: str, rng: random.Random) -> None:
    """Draws the place below the sky, in place."""
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    LANDS[place](canvas, width, height, time, rng)


def rain(picture: Image.Image, rng: random.Random) -> None:
    """Slanted streaks over everything, wide enough to survive."""
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    unit = min(width, height)
    for _ in range(round(16 * width * height / unit**2)):
        x, y = rng.random() * width, rng.random() * height
        canvas.line(
            (x, y, x - 0.025 * unit, y + 0.08 * unit),
            fill=(178, 190, 208),
            width=max(2, unit // 110),
        )


def _ridge(
    canvas: Canvas, width: int, height: int, top: float, wave: float, phase: float, fill: Rgb
) -> None:
    """A wavy band of land from `top` (of the height) to the bottom."""
    points: list[tuple[float, float]] = [(0, height), (0, top * height)]
    for step in range(33):
        x = step / 32
        points.append(
            (
                x * width,
                (top + wave * math.sin(2 * math.pi * (x * width / height) + phase)) * height,
            )
        )
    points += [(width, height)]
    canvas.polygon(points, fill=fill)


def _sea(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    top, bottom = HORIZON - 0.02, 0.86
    for band in range(4):
        tone = mix((38, 116, 200), (54, 168, 214), band / 3)
        y = (top + (bottom - top) * band / 4) * height
        canvas.rectangle((0, y, width, height), fill=lit(tone, time))
    glint = {"sunset": (255, 206, 130), "night": (170, 184, 236), "day": (176, 226, 248)}
    for _ in range(5):
        x, y = rng.random() * width, rng.uniform(top + 0.03, 0.78) * height
        w = rng.uniform(0.08, 0.16) * height
        fill = glint.get(time, (150, 164, 180))
        canvas.rounded_rectangle((x, y, x + w, y + 0.02 * height), 0.01 * height, fill=fill)
    _ridge(canvas, width, height, 0.85, 0.014, rng.uniform(0, 6.3), lit((252, 240, 206), time))
    _ridge(canvas, width, height, 0.875, 0.014, rng.uniform(0, 6.3), lit((240, 210, 146), time))


def _hills(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    phase = rng.uniform(0, 6.3)
    for top, wave, tone in (
        (0.56, 0.05, (146, 204, 120)),
        (0.64, 0.045, (104, 184, 88)),
        (0.76, 0.035, (72, 160, 68)),
    ):
        _ridge(canvas, width, height, top, wave, phase, lit(tone, time))
        phase += rng.uniform(1.6, 3.2)


def _mountains(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    base = 0.68 * height
    span = 0.5 * height
    x = -rng.uniform(0.0, 0.4) * span
    while x < width + 0.3 * span:
        peak = rng.uniform(0.24, 0.36) * height
        w = rng.uniform(0.8, 1.05) * span
        middle = x + w / 2
        left, right, top = (x - 0.1 * w, base), (x + 1.1 * w, base), (middle, peak)
        canvas.polygon([left, top, right], fill=lit((122, 132, 164), time))
        canvas.polygon([top, right, (middle - 0.06 * w, base)], fill=lit((92, 100, 136), time))
        k = 0.34
        cap = [
            top,
            (middle + 0.6 * w * k, peak + (base - peak) * k),
            (middle + 0.1 * w, peak + (base - peak) * k * 0.72),
            (middle - 0.08 * w, peak + (base - peak) * k * 1.1),
            (middle - 0.6 * w * k, peak + (base - peak) * k),
        ]
        canvas.polygon(cap, fill=lit((250, 252, 255), time))
        x += rng.uniform(0.68, 0.8) * w
    _ridge(canvas, width, height, 0.66, 0.014, rng.uniform(0, 6.3), lit((120, 168, 96), time))
    _ridge(canvas, width, height, 0.78, 0.02, rng.uniform(0, 6.3), lit((92, 146, 80), time))


def _desert(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    _ridge(canvas, width, height, 0.6, 0.04, rng.uniform(0, 6.3), lit((246, 208, 130), time))
    unit = min(width, height)
    for _ in range(2):
        x, y = rng.random() * width, rng.uniform(0.68, 0.73) * height
        s = rng.uniform(0.15, 0.2) * unit
        fill = lit((60, 142, 76), time)
        t = 0.13 * s
        canvas.rounded_rectangle((x - t, y - s, x + t, y), t, fill=fill)
        for side, low, high in ((-1, 0.34, 0.74), (1, 0.46, 0.86)):
            ax = x + side * 0.42 * s
            canvas.rounded_rectangle(
                (min(x, ax) - t, y - (low + 0.1) * s, max(x, ax) + t, y - (low - 0.1) * s),
                t,
                fill=fill,
            )
            canvas.rounded_rectangle(
                (ax - t, y - high * s, ax + t, y - (low - 0.1) * s), t, fill=fill
            )
    _ridge(canvas, width, height, 0.73, 0.035, rng.uniform(0, 6.3), lit((234, 182, 100), time))


def _snow(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    _ridge(canvas, width, height, 0.58, 0.03, rng.uniform(0, 6.3), lit((206, 226, 246), time))
    unit = min(width, height)
    for _ in range(round(4 * width / unit)):
        x, y = rng.random() * width, rng.uniform(0.64, 0.7) * height
        s = rng.uniform(0.2, 0.28) * unit
        fill = lit((48, 112, 96), time)
        for low, half in ((0.0, 0.34), (0.32, 0.25)):
            canvas.polygon(
                [
                    (x - half * s, y - low * s),
                    (x, y - (low + 0.66) * s),
                    (x + half * s, y - low * s),
                ],
                fill=fill,
            )
        cap = [(x - 0.11 * s, y - 0.74 * s), (x, y - 0.98 * s), (x + 0.11 * s, y - 0.74 * s)]
        canvas.polygon(cap, fill=lit((250, 252, 255), time))
    _ridge(canvas, width, height, 0.7, 0.025, rng.uniform(0, 6.3), lit((238, 246, 255), time))


def _city(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    unit = min(width, height)
    for tone, low, high in (((150, 166, 198), 0.2, 0.36), ((108, 122, 160), 0.32, 0.46)):
        x = -rng.uniform(0.0, 0.12) * unit
        while x < width:
            w, top = rng.uniform(0.14, 0.22) * unit, rng.uniform(low, high) * height
            canvas.rectangle((x, top, x + w, 0.74 * height), fill=lit(tone, time))
            if tone[0] < 120:
                glass = (176, 206, 236) if time == "day" else (255, 220, 110)
                s = 0.045 * unit
                for row in range(5):
                    for column in (0.28, 0.72):
                        if rng.random() < (0.85 if time == "day" else 0.6):
                            cx, cy = x + column * w, top + (0.05 + 0.1 * row) * unit
                            canvas.rectangle((cx - s / 2, cy, cx + s / 2, cy + 1.1 * s), fill=glass)
            x += w + rng.uniform(0.0, 0.015) * unit
    canvas.rectangle((0, 0.72 * height, width, height), fill=lit((168, 172, 184), time))
    canvas.rectangle((0, 0.77 * height, width, height), fill=lit((96, 100, 114), time))
    x = -rng.uniform(0, 0.2) * unit
    while x < width:
        canvas.rectangle(
            (x, 0.925 * height, x + 0.14 * unit, 0.95 * height), fill=lit((246, 240, 220), time)
        )
        x += 0.28 * unit


LANDS = {
    "sea": _sea,
    "hills": _hills,
    "mountains": _mountains,
    "desert": _desert,
    "snow": _snow,
    "city": _city,
}
