"""An engine whose finished pictures are looked at before anybody gets them.

Previews and drafts are not waited for: they go on at once, told apart as unchecked, so that whoever
shows pictures to others can leave them out. Never imports torch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace

from ..errors import report_incident
from ..images import blurred, encode_jpeg
from ..schemas import EngineStatus, Frame
from .base import Engine, Forecast, Stream, Work
from .metrics import Metrics
from .runner import Pixels

log = logging.getLogger(__name__)

BLURRED = "The safety checker has blurred this picture; try other words, or another seed."
NOT_CHECKED = "This picture could not be checked, and so it is not shown"


class CheckedEngine:
    """Another engine, and a look at what it has finished, on a thread beside the device's."""

    def __init__(
        self,
        engine: Engine,
        flags: Callable[[Pixels], bool],
        metrics: Metrics | None = None,
        *,
        believes: bool = False,
    ) -> None:
        """
        Args:
            flags: whether a picture, uint8 [height, width, 3], is not to be seen; may take long.
            believes: whether what a process of ours says it has looked at is not looked at again.
        """
        self._engine, self._flags, self._believes = engine, flags, believes
        self._metrics = metrics or Metrics()
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="safety")

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        return self._engine.status()

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`; without the look, which takes less than a step."""
        return self._engine.forecast(work)

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`."""
        self._engine.amend(work, amended)

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`; a picture that is not to be seen comes blurred, and says so.

        Raises:
            LightningError: also where a picture could not be looked at.
        """
        async with aclosing(self._engine.generate(work)) as values:
            async for value in values:
                if not isinstance(value, Frame) or self._looked_at_before(value):
                    yield value
                elif value.final and not work.draft:
                    yield await self._looked_at(value)
                else:
                    yield replace(value, safety="unchecked")

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        await self._engine.aclose()
        self._looking.shutdown(wait=False)  # what stands in line is still looked at, and answered

    def _looked_at_before(self, frame: Frame) -> bool:
        return self._believes and frame.safety in ("fine", "blurred")

    async def _looked_at(self, frame: Frame) -> Frame:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._looking, self._look, frame)
        except Exception as error:
            raise report_incident(error, NOT_CHECKED, log) from None

    def _look(self, frame: Frame) -> Frame:
        """On the checker's thread."""
        begun = time.perf_counter()
        flagged = self._flags(frame.pixels)
        seconds = time.perf_counter() - begun
        self._metrics.checked(seconds, blurred=flagged)
        timings = dict(frame.timings)
        timings["safety"] = 1000 * seconds
        timings["total"] = timings.get("total", 0.0) + 1000 * seconds
        if not flagged:
            return replace(frame, safety="fine", timings=timings)
        pixels = blurred(frame.pixels)
        return replace(
            frame,
            data=encode_jpeg(pixels),
            media_type="image/jpeg",
            pixels=pixels,
            notes=(*frame.notes, BLURRED),
            safety="blurred",
            timings=timings,
        )
