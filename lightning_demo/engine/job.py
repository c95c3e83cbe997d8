"""One request inside the local engine: the bridge from the worker thread to the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..errors import LightningError
from ..schemas import Frame, GenerationRequest
from .base import Place

if TYPE_CHECKING:
    from ..model.sampling.step import Row


class Job:
    """Carries frames from any thread to the one reader; the newest replaces what is unread.

    One without a loop has no reader and is only asked about.

    Attributes:
        closed: whether the reader has gone. Read by the worker without a lock: a late look costs
            one step.
        over: whether the worker has nothing more to do for it.
        shown: steps of the last frame that was made of it; 0 before the first.
        row: its latents, from its first step on; the worker's own.
        timings: milliseconds by stage so far; the worker's own.
        notes: what the user should know about how the request was read.
    """

    def __init__(
        self,
        request: GenerationRequest,
        place: Place,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        draft: bool = False,
    ) -> None:
        self.request = request
        self.place = place
        self.draft = draft
        self.closed = False
        self.over = False
        self.shown = 0
        self.row: Row | None = None
        self.timings: dict[str, float] = {}
        self.notes: tuple[str, ...] = ()
        self._loop = loop
        self._admitted = time.perf_counter()
        self._newest: Frame | None = None
        self._error: LightningError | None = None
        self._last_step = 0
        self._preview_on_its_way = False
        self._wake = asyncio.Event()

    def age_ms(self) -> float:
        """Milliseconds since the request was admitted."""
        return (time.perf_counter() - self._admitted) * 1000

    def lap(self, stage: str) -> float:
        """Notes the milliseconds since the last stage as this one's, and returns them."""
        self.timings[stage] = self.age_ms() - sum(self.timings.values())
        return self.timings[stage]

    def close(self) -> None:
        """Called by the reader when it needs nothing more."""
        self.closed = True

    def wants_preview(self) -> bool:
        """Whether the reader has taken the last preview, so that another one is of use."""
        return not self._preview_on_its_way

    def preview_sent(self) -> None:
        """A preview is on its way to the reader."""
        self._preview_on_its_way = True

    def deliver(self, frame: Frame) -> None:
        """Hands a frame to the reader, from any thread."""
        self._call(self._take, frame)

    def fail(self, error: LightningError) -> None:
        """Ends the stream with an error, from any thread."""
        self.over = True
        self._call(self._take_error, error)

    async def next_frame(self) -> Frame:
        """The newest frame not yet read.

        Raises:
            LightningError: the request failed.
        """
        while self._newest is None:
            if self._error is not None:
                raise self._error
            self._wake.clear()
            await self._wake.wait()
        frame, self._newest = self._newest, None
        self._preview_on_its_way = False
        return frame

    def _call(self, function: object, argument: object) -> None:
        if self.closed or self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(function, argument)  # type: ignore[arg-type]
        except RuntimeError:  # the reader's loop is gone, and the reader with it
            self.closed = True

    def _take(self, frame: Frame) -> None:
        # Two encoder threads may finish in the wrong order; a stream never goes back.
        if frame.step > self._last_step:
            self._last_step = frame.step
            self._newest = frame
            self._wake.set()

    def _take_error(self, error: LightningError) -> None:
        self._error = error
        self._wake.set()
