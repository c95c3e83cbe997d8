"""Guesses at what somebody will ask for next, painted while nobody wants anything.

What is painted goes through the memory of finished frames, so that a right guess is there at once,
or half done: the same request, the same picture. A guess that stays one from key to key keeps what
has been done of it; the engine gives steps to guesses only when nothing is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import LightningError
from ..schemas import GenerationRequest
from .base import Engine, Work, final_frame

log = logging.getLogger(__name__)

PAUSE = 1.0  # seconds without a request after which somebody looks at the picture, or for a slider


class Ahead:
    """The guesses of one session. Belongs to its event loop."""

    def __init__(self, engine: Engine, idle: Callable[[], bool]) -> None:
        """
        Args:
            idle: whether the session has all that it asked for.
        """
        self._engine, self._idle = engine, idle
        self._guesses: list[GenerationRequest] = []  # not painted yet, the likeliest first
        self._asked: GenerationRequest | None = None
        self._paused = 0.0  # when a pause begins, by the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._painting: tuple[GenerationRequest, asyncio.Task[None]] | None = None

    def guess(self, asked: GenerationRequest, guesses: Sequence[GenerationRequest]) -> None:
        """These are the guesses from now on; what is painted of another is given up."""
        self._guesses = [each for each in guesses if each != asked]
        self._asked, self._paused = asked, asyncio.get_running_loop().time() + PAUSE
        if self._painting is None:
            return
        current, task = self._painting
        if current in self._guesses:
            self._guesses.remove(current)
        elif current != asked:  # what has become wanted goes on: the engine joins the two
            task.cancel()

    def go_on(self) -> None:
        """The session may have become idle."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._painting is not None or not self._guesses or not self._idle():
            return
        if self._engine.status().waiting:
            return
        request, loop = self._guesses[0], asyncio.get_running_loop()
        if not self._is_near(request) and loop.time() < self._paused:
            self._timer = loop.call_at(self._paused, self.go_on)
            return
        del self._guesses[0]
        task = loop.create_task(self._paint(request))
        self._painting = request, task
        task.add_done_callback(self._ended)

    def stop(self) -> None:
        """Nothing is guessed any more."""
        self._guesses.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._painting is not None:
            self._painting[1].cancel()

    def _is_near(self, request: GenerationRequest) -> bool:
        """Whether it differs in the prompt alone: other weights or sizes have slower calls."""
        asked = self._asked
        return asked is not None and replace(request, prompt=asked.prompt) == asked

    async def aclose(self) -> None:
        """Stops all work."""
        self.stop()
        if self._painting is not None:
            await asyncio.gather(self._painting[1], return_exceptions=True)

    async def _paint(self, request: GenerationRequest) -> None:
        work = Work(request, since=asyncio.get_running_loop().time(), ahead=True)
        with contextlib.suppress(LightningError):  # nobody has asked for it
            await final_frame(self._engine, work)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._painting = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a guess failed", exc_info=error)
        self.go_on()
