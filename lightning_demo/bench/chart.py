"""Horizontal bars as PNG or SVG, drawn from one list of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .shapes import INK, MARGIN, OURS, PALE, PEER, WIDTH, Box, Shape, Text, write

LINE, BAR = 34, 20  # px
LABELS, VALUES = 210, 130  # px left and right of the bars


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its length is its value."""

    label: str
    value: float
    text: str  # beside it
    peer: bool = False


def draw(path: Path, title: str, bars: Sequence[Bar]) -> None:
    """Writes the chart; the file's ending says how.

    Raises:
        InvalidSetting: it ends in neither .png nor .svg.
    """
    write(path, _shapes(title, bars), 2 * MARGIN + LINE * (len(bars) + 1))


def _shapes(title: str, bars: Sequence[Bar]) -> list[Shape]:
    shapes: list[Shape] = [Text(MARGIN, MARGIN + LINE / 2 - 4, title, INK)]
    room = WIDTH - 2 * MARGIN - LABELS - VALUES
    longest = max((bar.value for bar in bars), default=1.0) or 1.0
    for index, bar in enumerate(bars, start=1):
        top = MARGIN + index * LINE
        length = max(2.0, room * bar.value / longest)
        shapes.append(Text(MARGIN, top + BAR / 2, bar.label, INK))
        shapes.append(Box(MARGIN + LABELS, top, length, BAR, PEER if bar.peer else OURS))
        shapes.append(Text(MARGIN + LABELS + length + 8, top + BAR / 2, bar.text, PALE))
    return shapes
