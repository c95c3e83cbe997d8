"""A circuit breaker: whether an engine that has failed is asked again, and when.

Closed: it is asked. After a few failures in a row it opens: nobody is sent there for a while. Then
it is half open: one request is let through as a trial; when that goes well it closes, else it opens
for twice as long (M. Nygard, Release It!; the growing pause is Envoy's outlier ejection). Takes the
time as argument; one event loop.
"""

from __future__ import annotations

from typing import Literal

FAILURES = 3  # in a row, of which any may be the request's own fault
PAUSE = 2.0  # seconds that it is open first
MAX_PAUSE = 60.0
FORGOTTEN = 60.0  # seconds after which a failure is no longer in a row with the next

State = Literal["closed", "open", "half_open"]


class Breaker:
    """That of one engine."""

    def __init__(
        self, failures: int = FAILURES, pause: float = PAUSE, max_pause: float = MAX_PAUSE
    ) -> None:
        self._most, self._first, self._max_pause = failures, pause, max_pause
        self._failures, self._last = 0, 0.0  # in a row, and when the last one was
        self._pause = pause  # seconds that it is open next time
        self._opened: float | None = None  # until then; None: closed
        self._trial = False  # one is on its way

    def state(self, now: float) -> State:
        """How it is."""
        if self._opened is None:
            return "closed"
        return "open" if now < self._opened else "half_open"

    def allows(self, now: float) -> bool:
        """Whether one more may be sent there."""
        state = self.state(now)
        return state == "closed" or (state == "half_open" and not self._trial)

    def begin(self, now: float) -> None:
        """One is sent there; `succeeded`, `failed` or `left` will be called once for it."""
        if self.state(now) == "half_open":
            self._trial = True

    def succeeded(self) -> None:
        """It has painted."""
        self._failures, self._opened, self._trial = 0, None, False
        self._pause = self._first

    def failed(self, now: float, *, hung: bool = False) -> None:
        """It has not; one that hangs costs everybody seconds, and is opened at once."""
        # Most requests of somebody who types are neither: they are superseded.
        self._failures = 1 if now - self._last > FORGOTTEN else self._failures + 1
        self._last = now
        trial, self._trial = self._trial, False
        if self._opened is not None and not trial:
            return  # of before it opened
        if trial or hung or self._failures >= self._most:
            self._opened = now + self._pause
            self._pause = min(2 * self._pause, self._max_pause)

    def left(self) -> None:
        """Nobody wants that one any more, which says nothing."""
        self._trial = False
