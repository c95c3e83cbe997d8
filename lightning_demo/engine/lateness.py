"""When a first frame is late enough for a second start elsewhere, and how many of those there are.

After Dean and Barroso, The Tail at Scale (CACM 2013): a second request after the 95th percentile of
what the first one should take shortens the tail for a few percent of more work. Takes the time from
whoever calls; one event loop.
"""

from __future__ import annotations

from collections import deque

from .base import Forecast

REMEMBERED = 128  # first frames
ENOUGH = 20  # of them, before their percentile is believed
SHARE = 0.95
FORECASTS = 2.0  # times an engine's own forecast, while too little has been measured
SOONEST = 0.2  # seconds: nobody notices less
PER_REQUEST = 0.1  # of a second start that each request allows
AT_ONCE = 3.0  # that may be saved up


class Lateness:
    """The first frames of one engine."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """A first frame has come after so many seconds."""
        self._seconds.append(seconds)

    def late_after(self, forecast: Forecast | None) -> float | None:
        """Seconds after which a first frame is late; None: nobody can say."""
        if len(self._seconds) >= ENOUGH:
            usual = sorted(self._seconds)[int(SHARE * len(self._seconds))]
            # It may stand in a longer line than those did.
            wait = 0.0 if forecast is None else forecast.wait
            return max(SOONEST, usual, wait)
        if forecast is None:
            return None
        return max(SOONEST, FORECASTS * forecast.seconds)


class Allowance:
    """Second starts that are paid for by requests that needed none: a crowd is not made two."""

    def __init__(self) -> None:
        self._left = 1.0

    def earn(self) -> None:
        """One more request."""
        self._left = min(AT_ONCE, self._left + PER_REQUEST)

    def spend(self) -> bool:
        """Whether there may be one, which is then taken."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
