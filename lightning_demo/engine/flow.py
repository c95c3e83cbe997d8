"""Work on its way to another server, between the thread that asks for it and whoever reads it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import LightningError
from ..schemas import Frame
from .base import Forecast, Requeued, Value, Work
from .latest import Latest


class Flow:
    """One stream.

    Attributes:
        work: as the other server knows it, or is about to.
        name: by which it is known there.
        forecast: what the other server expects of it.
        waits: whether it has not started.
        shown: whether a frame has come.
        values: what is read, in the loop.
    """

    def __init__(self, work: Work) -> None:
        """In the loop of whoever reads."""
        self.work = work
        self.name = secrets.token_hex(16)
        self.forecast: Forecast | None = None
        self.waits = True  # it has not started
        self.done = self.shown = False
        self.values: Latest[Value] = Latest()
        self._loop = asyncio.get_running_loop()

    def put(self, value: Value) -> None:
        """On the thread."""
        self.waits = isinstance(value, Requeued)
        self._call(self.values.put, value)
        if isinstance(value, Frame) and value.final:
            self.end(None)

    def end(self, error: LightningError | None) -> None:
        """On the thread: nothing follows."""
        if not self.done:
            self.done = True
            self._call(self.values.end, error)

    def _call(self, function: Callable[[Any], None], argument: object) -> None:
        with suppress(RuntimeError):  # the loop is gone, and who read with it
            self._loop.call_soon_threadsafe(function, argument)
