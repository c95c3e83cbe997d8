"""Whose requests give way: those of an audience, to whoever presents; the rule alone.

While anything is in line that does not give way, the device is for that alone: what yields neither
takes a step of its own nor a row of another's, which would make that call longer. So whoever comes
waits for the call that is running, or only until that is interrupted, and for no further one. Yet
nothing waits without end: once others have had the device for `PATIENCE` times as long as the last
step of those that yield, these have another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from .base import Work

PATIENCE = 8
FIRST = 1.0  # seconds, before a call of theirs has been seen


class HasWork(Protocol):
    """Anything with its work."""

    work: Work


Request = TypeVar("Request", bound=HasWork)


class Precedence:
    """Remembers how long those that yield have been kept back. Knows no clock."""

    def __init__(self) -> None:
        self._credit = -FIRST  # seconds; from 0 on it is their turn

    def stepped(self, batch: Sequence[HasWork], seconds: float) -> None:
        """A step of a batch has used the device for so long."""
        if yields(batch):
            self._credit = 0.0
        self.decoded(batch, seconds)

    def decoded(self, batch: Sequence[HasWork], seconds: float) -> None:
        """Pictures of a batch have, too: of those that yield, besides their last step."""
        if yields(batch):
            self._credit = min(0.0, self._credit) - PATIENCE * seconds
        else:
            self._credit += seconds

    def turn(self, line: Sequence[Request]) -> Sequence[Request]:
        """Those of a line that the next step is for; none only of none."""
        first = pressing(line)
        if not first or len(first) == len(line):
            return line
        return first if self._credit < 0 else [each for each in line if each.work.yields]

    def holds(self, batch: Sequence[HasWork], line: Iterable[HasWork]) -> bool:
        """Whether a call for a batch has to wait for those in line."""
        return yields(batch) and self._credit < 0 and bool(pressing(line))


def yields(batch: Sequence[HasWork]) -> bool:
    """Whether there is anything in it, and all of that gives way."""
    return bool(batch) and all(each.work.yields for each in batch)


def pressing(line: Iterable[Request]) -> list[Request]:
    """Those that do not give way."""
    return [each for each in line if not each.work.yields]
