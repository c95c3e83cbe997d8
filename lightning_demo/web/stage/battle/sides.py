"""The two sides of a battle."""

from __future__ import annotations

from typing import Literal

Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")
COLOURS = {"a": "#ffc531", "b": "#5cc8ff"}  # on black and white, and for the colour-blind


def other(side: Side) -> Side:
    """The opponent's."""
    return "b" if side == "a" else "a"
