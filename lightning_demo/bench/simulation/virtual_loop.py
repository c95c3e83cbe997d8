"""An event loop whose time passes only when nothing is left to do at this moment."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Tasks, timers and sleeps of asyncio in virtual seconds: an hour takes as long as its work."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    def skip(self, seconds: float) -> None:
        """Nothing happens for so long."""
        self._now += seconds


class _Selector(selectors.SelectSelector):
    """Where a loop would wait for the network or the next timer, the time is skipped."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("Everything waits for something that never comes.")
        self._loop.skip(max(0.0, timeout))
        return []  # nothing comes from outside


def run_virtual(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
