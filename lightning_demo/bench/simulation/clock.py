"""Time that passes only from one event to the next."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator

Process = Generator[float, None, None]  # yields the seconds until it goes on


class Clock:
    """An event queue. What is due at the same moment happens in the order it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, time: float, event: Callable[[], None]) -> None:
        """Calls `event` at a time, not before now."""
        heapq.heappush(self._events, (max(time, self.now), next(self._order), event))

    def go(self, process: Process) -> None:
        """Runs a process until it waits, and on when it has waited."""
        for delay in process:
            self.at(self.now + delay, lambda: self.go(process))
            return

    def run(self) -> None:
        """Goes on until nothing is left to happen."""
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()
