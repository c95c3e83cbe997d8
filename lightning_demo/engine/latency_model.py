"""How long the model's calls take, learned from the calls themselves; no clock, no torch.

From this follow the number of rows that may share a call, how long somebody has to wait, and what
fits a latency budget. The simulator plans with the same figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from ..schemas import ROW_BUCKETS

Kind: TypeAlias = Literal["step", "decoder", "preview"]
Size: TypeAlias = tuple[int, int]  # (width, height), px
Curve: TypeAlias = Mapping[int, float]  # seconds of a call by its rows

LEARNING = 0.2  # weight of the newest measurement in an estimate
GUESS = 0.02  # seconds a row, before anything has been measured

# A larger batch keeps everybody in it waiting longer, so each doubling has to buy this many times
# the pictures a second. In simulations of typing users it keeps the batches that shorten both the
# median and the 95th percentile, and refuses those that only raise throughput.
WORTHWHILE = 1.15


class LatencyModel:
    """Seconds by kind of call, size of the picture and rows in the call.

    Calibrated figures say how many rows are worthwhile, and change only when measured anew: a
    moment in which the machine was busy must not end the sharing. Waits are told by what calls take
    now: the calibrated figures, scaled by how much longer calls took of late. Long prompts, whose
    steps attend to more, are scaled by calls of their own kind.

    One thread measures; any may ask. A curve is replaced as a whole, never changed.
    """

    def __init__(self) -> None:
        self._curves: dict[tuple[Kind, Size], Curve] = {}
        self._ceilings: dict[tuple[Kind, Size], int] = {}
        # Of late, times what was calibrated: also by the chunks of the prompts.
        self._pace: dict[tuple[Kind, Size, int], float] = {}

    def __iter__(self) -> Iterator[tuple[Kind, Size, int, float]]:
        """What has been calibrated: kind, size, rows, seconds."""
        for (kind, size), curve in self._curves.copy().items():
            for rows, seconds in sorted(curve.items()):
                yield kind, size, rows, seconds

    def calibrate(self, kind: Kind, size: Size, rows: int, seconds: float) -> None:
        """A call takes this long when nothing else happens."""
        self._curves[kind, size] = {**self._curves.get((kind, size), {}), rows: seconds}

    def replace(self, kind: Kind, size: Size, curve: Curve) -> None:
        """All that is known of such calls is these figures: of late they took what they say."""
        self._curves[kind, size] = curve
        for of in [key for key in self._pace if key[:2] == (kind, size)]:
            del self._pace[of]

    def observe(
        self, kind: Kind, size: Size, rows: int, seconds: float, *, chunks: int = 1
    ) -> None:
        """A call that served somebody has taken this long."""
        pace = seconds / self.calibrated(kind, size, rows)
        before = self._recent(kind, size, chunks)
        self._pace[kind, size, chunks] = before + LEARNING * (pace - before)

    def forget(self) -> None:
        """Drops every figure, as when the model has become faster."""
        self._curves.clear()
        self._pace.clear()

    def seconds(self, kind: Kind, size: Size, rows: int, *, chunks: int = 1) -> float:
        """What a call is expected to take now.

        Args:
            chunks: of its prompts; while nothing is known of so many, as of one.
        """
        return self._recent(kind, size, chunks) * self.calibrated(kind, size, rows)

    def cap(self, kind: Kind, size: Size) -> int:
        """The most rows of one call for which sharing it is worthwhile: one of `ROW_BUCKETS`."""
        ceiling = self._ceilings.get((kind, size), ROW_BUCKETS[-1])
        cap = 1
        for bucket in ROW_BUCKETS[1:]:
            each = self.calibrated(kind, size, cap) / cap
            gain = each * bucket / self.calibrated(kind, size, bucket)
            if bucket > ceiling or gain < WORTHWHILE:
                break
            cap = bucket
        return cap

    def lower(self, kind: Kind, size: Size, rows: int) -> None:
        """This many rows did not fit the memory: from now on there are fewer."""
        self._ceilings[kind, size] = max((b for b in ROW_BUCKETS if b < rows), default=1)

    def calibrated(self, kind: Kind, size: Size, rows: int) -> float:
        """What a call takes when nothing else happens.

        Sizes that were not calibrated are estimated from the nearest one, by their area.
        """
        curves = self._curves.copy()
        if curve := curves.get((kind, size)):
            return _along(curve, rows)
        sizes = [each for of, each in curves if of == kind]
        if not sizes:
            return GUESS * rows
        nearest = min(sizes, key=lambda each: abs(_area(each) - _area(size)))
        return _area(size) / _area(nearest) * _along(curves[kind, nearest], rows)

    def _recent(self, kind: Kind, size: Size, chunks: int) -> float:
        """How long calls took of late, as a multiple of what was calibrated."""
        known = self._pace.get((kind, size, chunks))
        return self._pace.get((kind, size, 1), 1.0) if known is None else known


def _area(size: Size) -> int:
    return size[0] * size[1]


def _along(curve: Curve, rows: int) -> float:
    """Piecewise linear through the points of a curve; a single one says that rows cost alike."""
    points = sorted(curve.items())
    if len(points) == 1:
        return points[0][1] * rows / points[0][0]
    place = next((i for i, point in enumerate(points) if point[0] >= rows), len(points) - 1)
    (left, low), (right, high) = points[max(0, place - 1) : max(0, place - 1) + 2]
    # Never less than half of the cheapest: extended beyond its points, a noisy curve could reach 0.
    return max(low + (high - low) * (rows - left) / (right - left), min(curve.values()) / 2)
