"""What happened in the last seconds, by name."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable

SECONDS = 10
EVENTS = 8192


class Recent:
    """What happened in the last seconds; of very many events only the newest are kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: seconds that never go back.
        """
        self._clock, self._begun = clock, clock()
        self._events: deque[tuple[float, str, float]] = deque(maxlen=EVENTS)

    def add(self, name: str, value: float) -> None:
        """Something has happened now."""
        self._events.append((self._clock(), name, value))

    def values(self) -> defaultdict[str, list[float]]:
        """By name, the oldest first."""
        since = self._clock() - SECONDS
        found: defaultdict[str, list[float]] = defaultdict(list)
        for at, name, value in self._events:
            if at > since:
                found[name].append(value)
        return found

    def seconds(self) -> float:
        """That `values` are of; at least 1, so that the first event makes no rate."""
        return min(SECONDS, max(1.0, self._clock() - self._begun))
