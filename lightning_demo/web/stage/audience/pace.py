"""Not too often: of what comes sooner than it may, only the newest is acted on, in its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

PACE_SECONDS = 0.15  # between two prompts of one phone; of those in between the newest counts

T = TypeVar("T")


class Pace(Generic[T]):
    """Belongs to one event loop."""

    def __init__(self, act: Callable[[T], float]) -> None:
        """
        Args:
            act: returns after how many seconds the next may be acted on.
        """
        self._act = act
        self._next: T | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def put(self, message: T) -> None:
        """The newest."""
        self._next = message
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, self._due - loop.time()), self._take)

    def close(self) -> None:
        """Nothing more is acted on."""
        self._next = None
        if self._timer is not None:
            self._timer.cancel()

    def _take(self) -> None:
        message, self._next, self._timer = self._next, None, None
        if message is not None:
            self._due = asyncio.get_running_loop().time() + self._act(message)
