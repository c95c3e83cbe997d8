"""The looks that can lie over a whole picture: watercolour, paper cut, pixel art, line drawing.

Each is simple on purpose: broad, without fine texture, so that the autoencoder keeps it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .palette import Rgb

PAPER: Rgb = (250, 246, 236)
BLOCK = 32  # art pixels along the shorter side of pixel art


def watercolour(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Soft edges, thin paint that pools unevenly, and bare paper around it."""
    width, height = picture.size
    unit = min(width, height)
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(unit / 180)), dtype=np.float32)
    thin = 0.12 + 0.22 * _clouds(width, height, rng)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    edge = np.minimum.reduce([rows, columns, height - 1 - rows, width - 1 - columns]) / unit
    edge += 0.035 * (_clouds(width, height, rng) - 0.5)
    bare = np.clip(1 - (edge - 0.02) / 0.045, 0, 1)
    amount = np.maximum(thin, bare)[..., None]
    return _image(soft * (1 - amount) + np.array(PAPER, dtype=np.float32) * amount)


def paper_cut(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Muted flat tones in bands, as of coloured card. The shadows are drawn with each sheet."""
    pixels = np.asarray(picture, dtype=np.float32)
    steps = np.round(pixels / 36) * 36
    return _image(0.9 * steps + 0.1 * np.array(PAPER, dtype=np.float32))


def pixel_art(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Large square pixels in few tones."""
    width, height = picture.size
    side = min(width, height) // BLOCK
    small = picture.resize((width // side, height // side), Image.Resampling.BOX)
    tones = np.clip(np.round(np.asarray(small, dtype=np.float32) / 32) * 32, 0, 255)
    return _image(tones).resize((width, height), Image.Resampling.NEAREST)


def line_drawing(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Broad dark contours on paper, with a little of every colour left inside them."""
    unit = min(picture.size)
    calm = picture.filter(ImageFilter.MedianFilter(3))
    reach = 2 * max(1, round(unit / 128)) + 1
    spread = np.asarray(calm.filter(ImageFilter.MaxFilter(reach)), dtype=np.float32) - np.asarray(
        calm.filter(ImageFilter.MinFilter(reach)), dtype=np.float32
    )
    line = np.clip((spread.max(axis=2) - 34) / 30, 0, 1)[..., None]
    tint = 0.42 * np.asarray(picture, dtype=np.float32) + 0.58 * np.array(PAPER, np.float32)
    return _image(tint * (1 - line) + np.array((44, 44, 56), np.float32) * line)


STYLES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "watercolour": watercolour,
    "paper cut": paper_cut,
    "pixel art": pixel_art,
    "line drawing": line_drawing,
}


def lay_sheet(picture: Image.Image, sheet: Image.Image, *, rim: bool) -> None:
    """Pastes a sheet of card (RGBA) with its shadow; with `rim`, a white edge is left around it."""
    unit = min(picture.size)
    alpha = sheet.getchannel("A")
    if rim:
        alpha = alpha.filter(ImageFilter.MaxFilter(2 * max(1, unit // 85) + 1))
    shadow = alpha.point(lambda value: value * 0.42).filter(ImageFilter.GaussianBlur(unit / 60))
    offset = round(0.02 * unit)
    cast = Image.new("L", picture.size, 0)
    cast.paste(shadow, (offset, offset))
    picture.paste((20, 20, 44), (0, 0), cast)
    if rim:
        picture.paste((252, 250, 244), (0, 0), alpha)
    picture.paste(sheet, (0, 0), sheet.getchannel("A"))


def _clouds(width: int, height: int, rng: random.Random) -> NDArray[np.float32]:
    """Smooth noise from 0 to 1, [H, W]."""
    seed = np.random.default_rng(rng.getrandbits(32))
    small = Image.fromarray((255 * seed.random((5, 5))).astype(np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255


def _image(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
