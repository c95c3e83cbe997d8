"""Curves over two logarithmic axes as PNG or SVG, each named at its end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .shapes import GRID, INK, MARGIN, OURS, PALE, Dot, Shape, Stroke, Text, write

HEIGHT = 440  # px
LEFT, RIGHT, TOP, BOTTOM = 80, 680, 66, 380  # px, the field of the curves
LABEL = 20  # px between two names
PEERS = ("#8b949e", "#b08800", "#8250df", "#cf222e")  # in turn


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of points (x, y), each above 0, by ascending x."""

    label: str
    points: tuple[tuple[float, float], ...]
    peer: bool = False


def draw_curves(path: Path, title: str, x_name: str, y_name: str, curves: Sequence[Curve]) -> None:
    """Writes the chart; the file's ending says how. Values that are not above 0 are left out.

    Raises:
        InvalidSetting: it ends in neither .png nor .svg.
    """
    write(path, list(_shapes(title, x_name, y_name, curves)), HEIGHT)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values low … high on pixels from … to, logarithmically."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        if self.high == self.low:
            return (self.begin + self.end) / 2
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)


def _shapes(title: str, x_name: str, y_name: str, curves: Sequence[Curve]) -> Iterator[Shape]:
    yield Text(MARGIN, MARGIN + 6, title, INK)
    drawn = [
        Curve(each.label, points, each.peer)
        for each in curves
        if (points := tuple(p for p in each.points if min(p) > 0))
    ]
    if not drawn:
        return
    xs = sorted({x for curve in drawn for x, _ in curve.points})
    ys = [y for curve in drawn for _, y in curve.points]
    ticks = _round_values(min(ys), max(ys))
    across = _Axis(xs[0], xs[-1], LEFT + 16, RIGHT - 16)
    up = _Axis(ticks[0], ticks[-1], BOTTOM, TOP)
    for value in ticks:
        yield Stroke(((LEFT, up.at(value)), (RIGHT, up.at(value))), GRID)
        yield Text(MARGIN, up.at(value), f"{value:g}", PALE)
    for x in xs:
        yield Text(across.at(x) - 4 * len(f"{x:g}"), BOTTOM + 18, f"{x:g}", PALE)
    yield Text(LEFT, BOTTOM + 42, x_name, PALE)
    yield Text(MARGIN, TOP - 20, y_name, PALE)
    yield from _lines(drawn, across, up)


def _lines(curves: Sequence[Curve], across: _Axis, up: _Axis) -> Iterator[Shape]:
    peers = iter(PEERS * (len(curves) // len(PEERS) + 1))
    colours = [next(peers) if curve.peer else OURS for curve in curves]
    places = [tuple((across.at(x), up.at(y)) for x, y in curve.points) for curve in curves]
    for points, colour in zip(places, colours, strict=True):
        yield Stroke(points, colour, 2.5)
        for x, y in points:
            yield Dot(x, y, 4, colour)
    free = -math.inf
    ends = zip(curves, places, colours, strict=True)
    for curve, points, colour in sorted(ends, key=lambda end: end[1][-1][1]):
        free = max(points[-1][1], free + LABEL)  # names do not lie upon one another
        yield Text(points[-1][0] + 24, free, curve.label, colour)


def _round_values(low: float, high: float) -> list[float]:
    """1, 2 or 5 times a power of ten, from one not above `low` to one not below `high`."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    first = max(value for value in values if value <= low * (1 + 1e-9))
    last = min(value for value in values if value >= high * (1 - 1e-9))
    return [value for value in values if first <= value <= last]
