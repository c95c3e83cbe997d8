"""Finished frames by request: undo, backspace and slider-back repaint without the model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ..schemas import EngineStatus, Frame, GenerationRequest
from .base import Engine, Forecast, Place
from .metrics import Metrics

Key = tuple[str, GenerationRequest]  # model and request: another model paints another picture


class FrameMemory:
    """The most recently used final frames, as many as fit a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._frames: OrderedDict[Key, Frame] = OrderedDict()
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, key: Key) -> Frame | None:
        """The final frame of a request, if it is remembered."""
        frame = self._frames.get(key)
        if frame is None:
            self.misses += 1
            return None
        self.hits += 1
        self._frames.move_to_end(key)
        return frame

    def holds(self, key: Key) -> bool:
        """Whether a request is remembered; to ask is not to use it."""
        return key in self._frames

    def put(self, key: Key, frame: Frame) -> None:
        """Remembers a final frame; the ones unused longest make room."""
        size = _size(frame)
        if size > self._max_bytes:
            return
        if (old := self._frames.pop(key, None)) is not None:
            self.bytes -= _size(old)
        self._frames[key] = frame
        self.bytes += size
        while self.bytes > self._max_bytes:
            _, old = self._frames.popitem(last=False)
            self.bytes -= _size(old)


def _size(frame: Frame) -> int:
    pixels = 0 if frame.pixels is None else frame.pixels.nbytes
    return len(frame.data) + pixels + 4 * len(frame.request.prompt + frame.request.negative_prompt)


class RememberingEngine:
    """Another engine, behind a memory of what it has painted."""

    def __init__(self, engine: Engine, memory: FrameMemory, metrics: Metrics | None = None) -> None:
        self._engine = engine
        self.memory = memory
        self._metrics = metrics or Metrics()

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        return self._engine.status()

    def forecast(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> Forecast | None:
        """See `Engine.forecast`; what is remembered is there at once."""
        if self.memory.holds((self._engine.status().model, request)):
            return Forecast(ahead=0, wait=0.0, work=0.0)
        return self._engine.forecast(request, place=place, draft=draft)

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> AsyncGenerator[Frame, None]:
        """See `Engine.generate`; a remembered request is one final frame at once, draft or not."""
        key = (self._engine.status().model, request)
        if (frame := self.memory.get(key)) is not None:
            self._metrics.hit()
            yield replace(frame, cached=True, timings={"total": 0.0})
            return
        self._metrics.miss()
        async with aclosing(self._engine.generate(request, place=place, draft=draft)) as frames:
            async for frame in frames:
                if frame.final and not draft:
                    self.memory.put(key, frame)
                yield frame

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        await self._engine.aclose()
