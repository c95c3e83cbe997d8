"""Draws the land of each place below the sky."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from .brush import Canvas, box, disc
from .palette import Rgb, dim, mix
from .sky import HORIZON


def lit(colour: Rgb, time: str) -> Rgb:
    """A colour of the land in the light of that time."""
    if time == "dawn":
        return mix(colour, (255, 206, 214), 0.24)
    if time == "sunset":
        return mix(dim(colour, 0.84), (240, 104, 66), 0.32)
    if time == "night":
        return mix(mix(colour, (0, 0, 0), 0.22), (52, 66, 156), 0.42)
    return colour


def land(picture: Image.Image, place: str, time: str, rng: random.Random) -> None:
    """Draws the place onto a picture of the sky, or onto an empty RGBA sheet."""
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    LANDS[place](canvas, width, height, time, rng)


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
    glint = {"dawn": (255, 226, 222), "sunset": (255, 206, 130), "night": (170, 184, 236)}
    for _ in range(5):
        x, y = rng.random() * width, rng.uniform(top + 0.03, 0.78) * height
        w = rng.uniform(0.08, 0.16) * height
        fill = glint.get(time, (176, 226, 248))
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
            w, top = rng.uniform(0.17, 0.24) * unit, rng.uniform(low, high) * height
            canvas.rectangle((x, top, x + w, 0.74 * height), fill=lit(tone, time))
            if tone[0] < 120:
                glass = (176, 206, 236) if time == "day" else (238, 204, 116)
                s = 0.056 * unit
                for row in range(4):
                    for column in (0.28, 0.72):
                        if rng.random() < (0.85 if time == "day" else 0.6):
                            cx, cy = x + column * w, top + (0.05 + 0.13 * row) * unit
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


def _forest(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    """Two rows of tall trunks under one dark roof of leaves, a clearing in front."""
    unit = min(width, height)
    for tone, trunk, low, spacing in (
        ((70, 140, 96), (98, 92, 78), 0.66, 0.2),
        ((40, 108, 70), (92, 66, 48), 0.72, 0.27),
    ):
        x = -rng.uniform(0.0, 0.1) * unit
        while x < width + 0.1 * unit:
            top = rng.uniform(0.24, 0.34) * height
            box(canvas, x - 0.03 * unit, top, x + 0.03 * unit, low * height, lit(trunk, time))
            r = rng.uniform(0.13, 0.16) * unit
            for dx, dy in ((-0.5, 0.35), (0.5, 0.35), (0.0, -0.3)):
                disc(canvas, x + dx * r, top + dy * r, r, lit(tone, time))
            x += rng.uniform(0.85, 1.15) * spacing * unit
        _ridge(
            canvas,
            width,
            height,
            low - 0.04,
            0.012,
            rng.uniform(0, 6.3),
            lit(dim(tone, 0.86), time),
        )
    _ridge(canvas, width, height, 0.74, 0.02, rng.uniform(0, 6.3), lit((112, 158, 72), time))


def _space(canvas: Canvas, width: int, height: int, time: str, rng: random.Random) -> None:
    """The grey ground of a moon with craters."""
    unit = min(width, height)
    _ridge(canvas, width, height, 0.64, 0.02, rng.uniform(0, 6.3), lit((150, 152, 172), time))
    _ridge(canvas, width, height, 0.72, 0.02, rng.uniform(0, 6.3), lit((188, 190, 206), time))
    for _ in range(round(5 * width / unit)):
        x, y = rng.random() * width, rng.uniform(0.79, 0.96) * height
        r = rng.uniform(0.05, 0.1) * unit
        for shift, tone in ((0.0, (140, 142, 164)), (0.14, (166, 168, 188))):
            canvas.ellipse((x - r, y - (0.4 - shift) * r, x + r, y + 0.4 * r), fill=lit(tone, time))


LANDS: dict[str, Callable[[Canvas, int, int, str, random.Random], None]] = {
    "sea": _sea,
    "hills": _hills,
    "mountains": _mountains,
    "desert": _desert,
    "snow": _snow,
    "city": _city,
    "forest": _forest,
    "space": _space,
}
