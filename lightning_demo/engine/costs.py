"""How long the model's calls take, learned from the calls themselves; no clock, no torch.

From this follow the number of rows that may share a call, how long somebody has to wait, and what
fits a latency budget. The simulator plans with the same figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["step", "decoder", "preview"]
Size: TypeAlias = tuple[int, int]  # (width, height), px

BUCKETS = (1, 2, 4, 8)  # rows of a call that are measured, compiled and recorded
LEARNING = 0.2  # weight of the newest measurement in an estimate
GUESS = 0.02  # seconds a row, before anything has been measured

# A larger batch keeps everybody in it waiting longer, so each doubling has to buy this many times
# the pictures a second. In simulations of typing users it keeps the batches that shorten both the
# median and the 95th percentile, and refuses those that only raise throughput.
WORTHWHILE = 1.15


class Costs:
    """Estimates of seconds by kind of call, size of the picture and rows in the call."""

    def __init__(self) -> None:
        self._known: dict[tuple[Kind, Size], dict[int, float]] = {}
        self._ceilings: dict[tuple[Kind, Size], int] = {}

    def __iter__(self) -> Iterator[tuple[Kind, Size, int, float]]:
        """What has been measured: kind, size, rows, seconds."""
        for (kind, size), rows in self._known.items():
            for count, seconds in sorted(rows.items()):
                yield kind, size, count, seconds

    def observe(self, kind: Kind, size: Size, rows: int, seconds: float) -> None:
        """A call has taken this long."""
        known = self._known.setdefault((kind, size), {})
        before = known.get(rows)
        known[rows] = seconds if before is None else before + LEARNING * (seconds - before)

    def forget(self) -> None:
        """Drops every estimate, as when the model has become faster."""
        self._known.clear()

    def seconds(self, kind: Kind, size: Size, rows: int) -> float:
        """The estimate for a call: between what has been measured, else by proportion."""
        known = self._known.get((kind, size))
        if known:
            return _interpolate(sorted(known.items()), rows)
        others = [each for each in self._known if each[0] == kind]
        if not others:
            return GUESS * rows
        nearest = min(others, key=lambda each: abs(_area(each[1]) - _area(size)))
        share = _area(size) / _area(nearest[1])
        return share * _interpolate(sorted(self._known[nearest].items()), rows)

    def cap(self, kind: Kind, size: Size) -> int:
        """The most rows of one call for which sharing it is worthwhile: one of `BUCKETS`."""
        ceiling = self._ceilings.get((kind, size), BUCKETS[-1])
        cap = BUCKETS[0]
        for bucket in BUCKETS[1:]:
            gain = self.seconds(kind, size, cap) * bucket / (self.seconds(kind, size, bucket) * cap)
            if bucket > ceiling or gain < WORTHWHILE:
                break
            cap = bucket
        return cap

    def lower(self, kind: Kind, size: Size, rows: int) -> None:
        """This many rows did not fit the memory: from now on there are fewer."""
        self._ceilings[kind, size] = max((b for b in BUCKETS if b < rows), default=BUCKETS[0])


def _area(size: Size) -> int:
    return size[0] * size[1]


def _interpolate(points: list[tuple[int, float]], rows: int) -> float:
    """Piecewise linear through the points; one point alone says that rows cost alike."""
    if len(points) == 1:
        return points[0][1] * rows / points[0][0]
    before, after = points[0], points[1]
    for after in points[1:]:
        if after[0] >= rows:
            break
        before = after
    else:
        before = points[-2]
    slope = (after[1] - before[1]) / (after[0] - before[0])
    return max(before[1] + slope * (rows - before[0]), min(seconds for _, seconds in points) / 2)
