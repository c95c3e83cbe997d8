"""Guesses at what somebody will ask for next, painted while nobody wants anything.

Guesses go through the cache of finished frames, so that a right one is there at once, or half done.
A guess that is still one after the next key goes on where it was. The engine gives steps to guesses
only while nothing is wanted; but a step that has begun may delay the next key's picture, so none is
begun shortly before a key is expected.
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
from .policy import BURST_GAP, SILENCE

log = logging.getLogger(__name__)

PAUSE = 1.5  # seconds without a request: by then one looks at the picture, or reaches for a slider
SPARE = 0.4  # last part of the time between two keys, in which nothing is begun
LEARNING = 0.3  # weight of the newest gap between two keys


def rhythm(gap: float, newest: float) -> float:
    """Seconds between two keys of late, with the newest gap; 0: nobody is typing."""
    if newest >= BURST_GAP:
        return 0.0
    return gap + LEARNING * (newest - gap) if gap else newest


def rest(since: float, gap: float, *, near: bool) -> float:
    """Seconds to wait before a guess may be begun, if no key comes before.

    Args:
        since: seconds since the last key.
        gap: as `rhythm` has it.
        near: whether the guess differs from what was asked for in its prompt alone.
    """
    if not near:
        return max(0.0, PAUSE - since)
    return 0.0 if since < (1 - SPARE) * gap else max(0.0, SILENCE - since)


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
        self._asked_at = -BURST_GAP  # by the loop's clock
        self._gap = 0.0  # seconds between two keys of late; 0: nobody types
        self._timer: asyncio.TimerHandle | None = None
        self._painting: tuple[GenerationRequest, asyncio.Task[None]] | None = None
        self._given_up = False  # what is being painted

    def guess(self, asked: GenerationRequest, guesses: Sequence[GenerationRequest]) -> None:
        """Replaces the guesses; one that is being painted and is none of them is given up."""
        self._guesses = [each for each in guesses if each != asked]
        now = asyncio.get_running_loop().time()
        self._gap = rhythm(self._gap, now - self._asked_at)
        self._asked, self._asked_at = asked, now
        if self._painting is None:
            return
        current, task = self._painting
        if self._given_up:
            return
        if current in self._guesses:
            self._guesses.remove(current)
        elif current != asked:  # a guess that came true goes on: the engine joins the two
            self._given_up = True
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
        # Other weights and sizes cost more, and nobody wants them in the middle of a prompt.
        near = (
            self._asked is not None and replace(request, prompt=self._asked.prompt) == self._asked
        )
        since = loop.time() - self._asked_at
        if wait := rest(since, self._gap, near=near):
            self._timer = loop.call_later(wait, self.go_on)
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
            self._given_up = True
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
        self._painting, self._given_up = None, False
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a guess failed", exc_info=error)
        self.go_on()
