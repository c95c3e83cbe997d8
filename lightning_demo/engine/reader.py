"""The way from the device's thread to one reader in an event loop, and what took how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import LightningError
from ..images import encode_jpeg
from ..schemas import Frame, GenerationRequest
from .base import Started
from .latest import Latest
from .runner import Pixels


class Reader:
    """Carries values from any thread to whoever reads the stream of one request.

    Attributes:
        closed: whether nobody reads any more.
        timings: milliseconds by stage so far; written by one thread.
    """

    def __init__(self, request: GenerationRequest, loop: asyncio.AbstractEventLoop) -> None:
        self.request = request
        self.closed = False
        self.timings: dict[str, float] = {}
        self._admitted = time.perf_counter()
        self._loop = loop
        self._latest: Latest[Started | Frame] = Latest()
        self._step = 0  # of the last frame

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

    def deliver(self, frame: Frame) -> None:
        """Hands over a frame."""
        self._call(self._put, frame)

    def fail(self, error: LightningError) -> None:
        """Ends the stream with an error."""
        self._call(self._latest.end, error)

    async def get(self) -> Started | Frame | None:
        """The newest value not yet read; None after the final frame.

        Raises:
            LightningError: the request failed.
        """
        return await self._latest.get()

    def frame(
        self,
        pixels: Pixels,
        step: int,
        *,
        final: bool,
        timings: Mapping[str, float],
        notes: tuple[str, ...],
    ) -> Frame:
        """Encodes a picture; to be called on a thread that may take its time."""
        begun = self.age_ms()
        data = encode_jpeg(pixels)
        total = self.age_ms()
        return Frame(
            request=self.request,
            data=data,
            media_type="image/jpeg",
            step=step,
            final=final,
            pixels=pixels,
            timings={**timings, "encode": total - begun, "total": total},
            notes=notes,
        )

    def _call(self, function: Callable[[Any], None], argument: object) -> None:
        if self.closed:
            return
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:  # the loop is gone, and who read with it
            self.closed = True

    def _put(self, value: Started | Frame) -> None:
        if isinstance(value, Frame):
            # Two threads encode and may finish in the wrong order; a stream never goes back.
            if value.step <= self._step:
                return
            self._step = value.step
        elif self._step:
            return
        self._latest.put(value)
        if isinstance(value, Frame) and value.final:
            self._latest.end()
