"""From the device's thread to whoever reads: encodes pictures and hands them to an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import LightningError
from ..images import encode_jpeg
from ..schemas import Frame
from .base import Started, Value, Work
from .latest import Latest
from .metrics import Metrics
from .runner import Picture


class Reader:
    """Whoever reads the stream of one request: values go from any thread into their event loop.

    Attributes:
        closed: whether nobody reads any more.
        unread: whether the last preview has not been read; for `ZeroGpuEngine`, which has no core
            to keep that.
        counts: whether somebody waits for the picture, so that its times are measured.
        timings: milliseconds by stage so far; written by one thread.
        values: what is read, in the loop.
    """

    def __init__(self, work: Work, metrics: Metrics) -> None:
        """In the event loop of whoever reads, when the work is admitted."""
        self.request = work.request
        self._draft, self._origin = work.draft, work.origin
        self.closed = self.unread = False
        self._metrics = metrics
        self.counts = not work.ahead
        self.restart()
        self._loop = asyncio.get_running_loop()
        self.values: Latest[Value] = Latest()
        self._newest = -1, False  # `Frame.progress` of the last value; `Started` is (0, False)

    def restart(self) -> None:
        """Somebody waits from now on: times count from here."""
        self.timings: dict[str, float] = {}
        self._admitted = time.perf_counter()

    def age_ms(self) -> float:
        """Milliseconds since the request was admitted."""
        return (time.perf_counter() - self._admitted) * 1000

    def lap(self, stage: str) -> float:
        """Ends a stage: keeps and returns its milliseconds, since the end of the one before."""
        self.timings[stage] = self.age_ms() - sum(self.timings.values())
        return self.timings[stage]

    def start(self) -> None:
        """The work has left the queue."""
        self._call(self._put, Started())

    def send(self, picture: Picture, timings: Mapping[str, float], *, first: bool) -> None:
        """Encodes a picture and hands it over; on a thread that nothing waits for."""
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
        except RuntimeError:  # the loop has been closed, so nobody reads any more
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
