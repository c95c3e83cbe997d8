"""How alike two pictures are to the eye that knows no objects: 0 to 100 per cent.

Three things are compared, each at the scale at which it matters: which colours there are, wherever
they stand; which colour is where, coarsely; and which way the outlines run, in cells of an eighth.
Colours are in Oklab (Björn Ottosson, 2020), in which distances are about as large as they seem.

What it is: deterministic, the same for every model that the demo can load, quick without torch, and
exact where it must be: the same picture has 100. Since target and players are painted with the same
seed, the same words give the same picture, and words that share something with the secret prompt
tend to give a picture that shares it.

What it is not: it does not know what is depicted. A red car where the target has a red house may
beat a house in another place; a picture turned left to right loses much. Whoever wants meaning lets
the hall vote. What unrelated pictures have in common by chance (`CHANCE`) counts as nothing.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from ....images import Pixels

SIDE = 64  # px at which pictures are compared, whatever their size and shape
CELLS = 8  # along each side, for outlines and layout
TURNS = 8  # directions of outlines
BINS = (6, 10, 10)  # of lightness and of the two axes of colour
NEAR = 0.35  # Oklab distance at which colours in a place have nothing in common
CHANCE = 0.4  # what unrelated pictures of the miniature reach, by their median

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


def likeness(target: Pixels, picture: Pixels) -> int:
    """Whole per cent, 100 only for what looks the same at `SIDE` px.

    Args:
        target: uint8 [height, width, 3]; `picture` alike, of any other size.
    """
    raw = similarity(target, picture)
    return max(0, min(100, round(100 * (raw - CHANCE) / (1 - CHANCE))))


def similarity(target: Pixels, picture: Pixels) -> float:
    """The mean of the three, 0 … 1, with no allowance for chance."""
    first, second = _oklab(target), _oklab(picture)
    return float(
        np.mean(
            [
                _palettes(first, second),
                _layouts(first, second),
                _outlines(first[..., 0], second[..., 0]),
            ]
        )
    )


def _palettes(first: Array, second: Array) -> float:
    """How much of both has the same colours, wherever."""
    return float(np.minimum(_histogram(first), _histogram(second)).sum())


def _layouts(first: Array, second: Array) -> float:
    """How near the mean colours of cells are to those in the same place."""
    apart = np.linalg.norm(_cells(first) - _cells(second), axis=-1)
    return float(np.clip(1 - apart / NEAR, 0, 1).mean())


def _outlines(first: Array, second: Array) -> float:
    """How much of the outlines runs the same way in the same cell (after HOG, Dalal and Triggs)."""
    one, two = _directions(first), _directions(second)
    norms = np.sqrt((one**2).sum() * (two**2).sum())
    if not norms:  # at least one has no outlines at all
        return 1.0 if one.sum() == two.sum() else 0.0
    return float((one * two).sum() / norms)


def _oklab(pixels: Pixels) -> Array:
    """float [SIDE, SIDE, 3]: lightness 0 … 1, then the axes of colour, about -0.4 … 0.4."""
    small = Image.fromarray(pixels).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    colour = np.asarray(small, np.float64) / 255
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    cones: Array = np.cbrt(linear @ _TO_CONES)
    lab: Array = cones @ _TO_LAB
    return lab


def _histogram(lab: Array) -> Array:
    """Shares of the picture by colour, each pixel spread over the bins on both sides of it."""
    low, span = np.array([0.0, -0.4, -0.4]), np.array([1.0, 0.8, 0.8])
    place = (lab.reshape(-1, 3) - low) / span * (np.array(BINS) - 1)
    place = np.clip(place, 0, np.array(BINS) - 1.001)
    floor = place.astype(int)
    part = place - floor
    counts = np.zeros(BINS)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(np.array(corner), part, 1 - part).prod(axis=1)
        np.add.at(counts, tuple((floor + np.array(corner)).T), weight)
    shares: Array = counts / counts.sum()
    return shares


def _cells(values: Array) -> Array:
    """Means over cells: [CELLS, CELLS, …]."""
    step = SIDE // CELLS
    shaped = values.reshape(CELLS, step, CELLS, step, *values.shape[2:])
    means: Array = shaped.mean(axis=(1, 3))
    return means


def _directions(lightness: Array) -> Array:
    """How strong outlines are by direction and cell: [CELLS, CELLS, TURNS]."""
    down, across = np.gradient(lightness)
    strength = np.sqrt(np.hypot(across, down))  # the root: no single edge decides
    turn = np.floor((np.arctan2(down, across) % np.pi) / np.pi * TURNS).astype(int) % TURNS
    planes = [np.where(turn == each, strength, 0.0) for each in range(TURNS)]
    return _cells(np.stack(planes, axis=-1))


_TO_CONES: Array = np.array(
    [
        [0.4122214708, 0.2119034982, 0.0883024619],
        [0.5363325363, 0.6806995451, 0.2817188376],
        [0.0514459929, 0.1073969566, 0.6299787005],
    ]
)
_TO_LAB: Array = np.array(
    [
        [0.2104542553, 1.9779984951, 0.0259040371],
        [0.7936177850, -2.4285922050, 0.7827717662],
        [-0.0040720468, 0.4505937099, -0.8086757660],
    ]
)
