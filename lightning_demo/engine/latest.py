"""The newest value replaces the unread one: the one idea behind all that must not lag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Generic, TypeVar

from ..errors import LightningError
from ..images import encode_jpeg
from ..schemas import Frame
from .base import Started, Value, Work
from .metrics import Metrics
from .runner import Picture

T = TypeVar("T")


class Latest(Generic[T]):
    """A slot for one value between a writer and the one reader, in one event loop."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._error: Exception | None = None
        self._ended = False
        self._wake = asyncio.Event()

    def put(self, value: T) -> None:
        """Leaves a value, in place of one that has not been read."""
        self._value = value
        self._wake.set()

    def end(self, error: Exception | None = None) -> None:
        """Nothing follows what has been put; with an error, reading on raises it."""
        self._ended, self._error = True, error
        self._wake.set()

    async def get(self) -> T | None:
        """Waits for a value; None when there will be no more.

        Raises:
            Exception: what `end` was given.
        """
        while self._value is None:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        value, self._value = self._value, None
        return value

    async def __aiter__(self) -> AsyncIterator[T]:
        while (value := await self.get()) is not None:
            yield value


class Reader:
    """The way from any thread to whoever reads the stream of one request in an event loop.

    Attributes:
        closed: whether nobody reads any more.
        unread: whether the last preview has not been taken, for engines that keep it here.
        counts: whether somebody waits, so that the times are worth to be known.
        timings: milliseconds by stage so far; written by one thread.
        values: what is read, in the loop.
    """

    def __init__(self, work: Work, metrics: Metrics) -> None:
        """Made in the loop of whoever reads, when the work is admitted."""
        self.request = work.request
        self._draft, self._origin = work.draft, work.origin
        self.closed = self.unread = False
        self._metrics = metrics
        self.counts = not work.ahead
        self.restart()
        self._loop = asyncio.get_running_loop()
        self.values: Latest[Value] = Latest()
        self._newest = -1, False  # `Frame.progress` of the last value; the start is before all

    def restart(self) -> None:
        """Somebody waits from now on."""
        self.timings: dict[str, float] = {}
        self._admitted = time.perf_counter()

    def age_ms(self) -> float:
        """Milliseconds since the request was admitted."""
        return (time.perf_counter() - self._admitted) * 1000

    def lap(self, stage: str) -> float:
        """Notes the milliseconds since the last stage as this one's, and returns them."""
        self.timings[stage] = self.age_ms() - sum(self.timings.values())
        return self.timings[stage]

    def start(self) -> None:
        """The work has left the queue."""
        self._call(self._put, Started())

    def send(self, picture: Picture, timings: Mapping[str, float], *, first: bool) -> None:
        """Encodes a picture and hands it over; on a thread that may take its time."""
        begun = self.age_ms()
        data = encode_jpeg(picture.pixels)
        total = self.age_ms()
        frame = Frame(
            request=self.request,
            data=data,
            media_type="image/jpeg",
            step=picture.step,
            final=picture.final,
            pixels=picture.pixels,
            timings={**timings, "encode": total - begun, "total": total},
            notes=picture.notes,
        )
        if self.counts:
            self._metrics.sent(
                frame.timings,
                first=first,
                final=frame.final,
                draft=self._draft,
                origin=self._origin,
            )
        self._call(self._put, frame)

    def fail(self, error: LightningError) -> None:
        """Ends the stream with an error."""
        self._call(self.values.end, error)

    def _call(self, function: Callable[[Any], None], argument: object) -> None:
        if self.closed:
            return
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:  # the loop is gone, and who read with it
            self.closed = True

    def _put(self, value: Value) -> None:
        # Two threads encode and may finish in the wrong order; a stream never goes back.
        newest = value.progress if isinstance(value, Frame) else (0, False)
        if newest <= self._newest:
            return
        self._newest = newest
        self.values.put(value)
        if newest[1]:
            self.values.end()
