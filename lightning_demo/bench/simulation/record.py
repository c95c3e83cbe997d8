"""What users felt, counted while it happens.

The same quantities as `bench many` measures: a *wait* is a key after which somebody rests, and
lasts until the finished picture of that text or of a later one. First paint is that of every key,
until any picture of it or of a later one.
"""

from __future__ import annotations

from collections import deque

from ..many_score import rate


class Record:
    """One user's waiting. Times are seconds of any clock."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.first_paints: list[float] = []
        self.pictures = 0
        self._unpainted: deque[tuple[int, float]] = deque()  # key, when
        self._unfinished: deque[tuple[int, float]] = deque()

    def pressed(self, key: int, now: float, waits: bool) -> None:
        """A key was pressed; keys are numbered from 0."""
        self._unpainted.append((key, now))
        if waits:
            self._unfinished.append((key, now))

    def showed(self, key: int, now: float, final: bool) -> None:
        """A picture of a key's text has arrived."""
        self.pictures += 1
        _end(self._unpainted, key, now, self.first_paints)
        if final:
            _end(self._unfinished, key, now, self.waits)

    @property
    def lost(self) -> int:
        """Waits that have not ended."""
        return len(self._unfinished)

    @property
    def rate(self) -> float:
        """See `many_score.rate`."""
        return rate(self.waits)


def _end(waiting: deque[tuple[int, float]], key: int, now: float, ended: list[float]) -> None:
    while waiting and waiting[0][0] <= key:
        ended.append(now - waiting.popleft()[1])
