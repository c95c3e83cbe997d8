"""All subjects in one table: how each is drawn, how wide and how tall it is."""

from __future__ import annotations

from collections.abc import Callable

from . import animals, buildings, flyers, people, plants, vehicles
from .brush import Canvas, Look

_KINDS = (buildings, plants, animals, people, vehicles, flyers)

DRAW: dict[str, Callable[[Canvas, float, float, float, Look], None]] = {
    name: draw for kind in _KINDS for name, draw in kind.DRAW.items()
}
# Width over height, of the widest form; height relative to a house's.
WIDTH: dict[str, float] = {name: width for kind in _KINDS for name, width in kind.WIDTH.items()}
HEIGHT: dict[str, float] = {name: height for kind in _KINDS for name, height in kind.HEIGHT.items()}
