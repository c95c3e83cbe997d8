"""Requests that give way (yield) to all others: an audience's, beside the presenter's.

While any other request is in line, the device is for those alone: requests that yield neither take
a step of their own nor a row in another's, which would make that call longer. So whoever comes
waits at most for the call that is running, and not even that long where it can be interrupted. Yet
nothing waits for ever: once others have had the device for `PATIENCE` times as long as the last
step of those that yield, these get another.
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
        """Decoding a batch has used the device for so long; if it yields, that adds to its step."""
        if yields(batch):
            self._credit = min(0.0, self._credit) - PATIENCE * seconds
        else:
            self._credit += seconds

    def turn(self, line: Sequence[Request]) -> Sequence[Request]:
        """Those of a line that the next step is for; empty only if the line is."""
        first = pressing(line)
        if not first or len(first) == len(line):
            return line
        return first if self._credit < 0 else [each for each in line if each.work.yields]

    def holds(self, batch: Sequence[HasWork], line: Iterable[HasWork]) -> bool:
        """Whether a call for a batch has to wait for those in line."""
        return yields(batch) and self._credit < 0 and bool(pressing(line))


def yields(batch: Sequence[HasWork]) -> bool:
    """Whether a batch has requests, all of which give way."""
    return bool(batch) and all(each.work.yields for each in batch)


def pressing(line: Iterable[Request]) -> list[Request]:
    """Those that do not give way."""
    return [each for each in line if not each.work.yields]
