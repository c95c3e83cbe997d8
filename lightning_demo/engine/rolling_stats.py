"""What went through the engine in the last seconds, as sums that forget by themselves."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

SECONDS = 10  # looked back upon
KEPT_WAITS = 512  # the newest, for their median


@dataclass(slots=True)
class Sums:
    """Of one second, or of several."""

    pictures: int = 0
    calls: int = 0  # of a UNet
    steps: int = 0  # rows of those calls
    wasted: int = 0  # steps of superseded requests after their last frame


class RollingStats:
    """Sums over the last `SECONDS` seconds, one slot for each; memory never grows.

    Not thread-safe: whoever shares one holds a lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._slots = [Sums() for _ in range(SECONDS)]
        self._second = int(self._begun)  # the one that the newest slot is of
        self._waits: deque[tuple[float, float]] = deque(maxlen=KEPT_WAITS)

    def current(self) -> Sums:
        """The slot of this second, to be added to; forgets what is over."""
        second = int(self._clock())
        for passed in range(max(self._second + 1, second - SECONDS + 1), second + 1):
            self._slots[passed % SECONDS] = Sums()
        self._second = max(self._second, second)
        return self._slots[self._second % SECONDS]

    def waited(self, seconds: float) -> None:
        """Keeps how long one request has waited."""
        self._waits.append((self._clock(), seconds))

    def total(self) -> Sums:
        """All slots together."""
        self.current()
        return Sums(
            *(
                sum(getattr(slot, name) for slot in self._slots)
                for name in ("pictures", "calls", "steps", "wasted")
            )
        )

    def covered(self) -> float:
        """Seconds that `total` is of: at least 1, at most `SECONDS`."""
        first = max(self._begun, int(self._clock()) - SECONDS + 1)
        return max(1.0, self._clock() - first)

    def median_wait(self) -> float | None:
        """Seconds that half of the requests waited at most; None when there were none."""
        since = self._clock() - SECONDS
        waits = [seconds for at, seconds in self._waits if at >= since]
        return median(waits) if waits else None
