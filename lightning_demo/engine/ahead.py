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

from ..errors import LightningError
from ..schemas import GenerationRequest
from .base import Engine, Work, final_frame

log = logging.getLogger(__name__)


class Ahead:
    """The guesses of one session. Belongs to its event loop."""

    def __init__(self, engine: Engine, idle: Callable[[], bool]) -> None:
        """
        Args:
            idle: whether the session has all that it asked for.
        """
        self._engine, self._idle = engine, idle
        self._guesses: list[GenerationRequest] = []  # not painted yet, the likeliest first
        self._painting: tuple[GenerationRequest, asyncio.Task[None]] | None = None

    def guess(self, asked: GenerationRequest, guesses: Sequence[GenerationRequest]) -> None:
        """These are the guesses from now on; what is painted of another is given up."""
        self._guesses = [each for each in guesses if each != asked]
        if self._painting is None:
            return
        current, task = self._painting
        if current in self._guesses:
            self._guesses.remove(current)
        elif current != asked:  # what has become wanted goes on: the engine joins the two
            task.cancel()

    def go_on(self) -> None:
        """The session may have become idle."""
        if self._painting is not None or not self._guesses or not self._idle():
            return
        if self._engine.status().waiting:
            return
        request = self._guesses.pop(0)
        task = asyncio.get_running_loop().create_task(self._paint(request))
        self._painting = request, task
        task.add_done_callback(self._ended)

    def stop(self) -> None:
        """Nothing is guessed any more."""
        self._guesses.clear()
        if self._painting is not None:
            self._painting[1].cancel()

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
