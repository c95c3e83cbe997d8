"""What the weather lays over the whole picture: streaks, flakes, mist."""

from __future__ import annotations

import random

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
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    unit = min(width, height)
    for _ in range(round(15 * width * height / unit**2)):
        x, y = rng.random() * width, rng.random() * height
        canvas.line(
            (x, y, x - 0.03 * unit, y + 0.09 * unit),
            fill=(186, 200, 220),
            width=max(3, unit // 80),
        )


def snow(picture: Image.Image, rng: random.Random) -> None:
    """Fat flakes."""
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    unit = min(width, height)
    for _ in range(round(20 * width * height / unit**2)):
        x, y = rng.random() * width, rng.random() * height
        disc(canvas, x, y, rng.uniform(0.014, 0.022) * unit, (250, 252, 255))


def fog(picture: Image.Image, time: str, *, before: bool) -> None:
    """Mist, thickest around the horizon; more of it behind the subjects than before them."""
    width, height = picture.size
    rows = np.linspace(0, 1, height)
    peak, spread = (0.62, 0.24) if not before else (0.18, 0.3)
    alpha = peak * np.exp(-(((rows - 0.6) / spread) ** 2))
    mask = np.repeat((255 * alpha).astype(np.uint8)[:, None], width, axis=1)
    picture.paste(MIST[time], (0, 0, width, height), Image.fromarray(mask))
