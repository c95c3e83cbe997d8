"""What the weather lays over the whole picture: streaks, flakes, mist."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from .brush import disc
from .palette import Rgb

MIST: dict[str, Rgb] = {
    "dawn": (246, 232, 232),
    "day": (232, 236, 240),
    "sunset": (246, 214, 190),
    "night": (120, 130, 160),
}


def rain(picture: Image.Image, rng: random.Random) -> None:
    """Slanted streaks, wide enough to survive the autoencoder."""
    canvas, unit = ImageDraw.Draw(picture), min(picture.size)
    for x, y in _scattered(picture, 15, rng):
        end = (x - 0.03 * unit, y + 0.09 * unit)
        canvas.line((x, y, *end), fill=(186, 200, 220), width=max(3, unit // 80))


def snow(picture: Image.Image, rng: random.Random) -> None:
    """Fat flakes."""
    canvas, unit = ImageDraw.Draw(picture), min(picture.size)
    for x, y in _scattered(picture, 20, rng):
        disc(canvas, x, y, rng.uniform(0.014, 0.022) * unit, (250, 252, 255))


def _scattered(
    picture: Image.Image, count: int, rng: random.Random
) -> Iterator[tuple[float, float]]:
    """Places all over a picture, `count` of them for a square one."""
    width, height = picture.size
    for _ in range(round(count * width * height / min(width, height) ** 2)):
        yield rng.random() * width, rng.random() * height


def fog(picture: Image.Image, time: str, *, before: bool) -> None:
    """Mist, thickest around the horizon; more of it behind the subjects than before them."""
    width, height = picture.size
    rows = np.linspace(0, 1, height)
    peak, spread = (0.62, 0.24) if not before else (0.18, 0.3)
    alpha = peak * np.exp(-(((rows - 0.6) / spread) ** 2))
    mask = np.repeat((255 * alpha).astype(np.uint8)[:, None], width, axis=1)
    picture.paste(MIST[time], (0, 0, width, height), Image.fromarray(mask))
