"""A live session: one person typing, one latest-wins slot in front of the engine.

Drives the rules of `policy` with an event loop and an engine. Knows no HTTP and no UI.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from ..errors import LightningError
from ..schemas import Frame, GenerationRequest
from ..settings import Settings
from . import governor
from .base import Engine, Forecast, Place
from .policy import Cancel, LivePolicy, Start, Submission, Wait

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something to show: a frame, or why there is none, of the submission `sequence`."""

    sequence: int
    frame: Frame | None
    error: LightningError | None = None
    budget: float | None = None  # ms; where the frame is of a draft, the budget it was chosen for


class LiveSession:
    """Turns a flood of submissions into a stream of frames that ends with the last one's final.

    Belongs to one event loop. There is one reader of `events`; if it is slow it misses older
    events, never the newest.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._policy = LivePolicy(
            max_stale=settings.max_stale_ms / 1000,
            debounce=settings.debounce_ms / 1000,
            draft=self._draft,
            patient=engine.status().patient,
        )
        self._budget = settings.latency_budget
        self._context = contextvars.copy_context()
        self._place = Place()
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.Task[None] | None = None
        self._asked: Start | None = None  # what the turn asks of the engine
        self._timer: asyncio.TimerHandle | None = None
        self._newest: LiveEvent | None = None
        self._wake = asyncio.Event()
        self._closed = False

    def submit(
        self, sequence: int, request: GenerationRequest, budget: float | None = None
    ) -> None:
        """Asks for a picture; whatever was asked before is superseded.

        Args:
            budget: milliseconds, from now on; 0: no drafts. None: as it was before.
        """
        if self._closed:
            return
        if budget is not None:
            self._budget = budget
        # A turn may start later, from a timer or at another's end; it still belongs to whoever
        # asked last. (On ZeroGPU the context says whose time on the GPU it takes.)
        self._context = contextvars.copy_context()
        self._policy.submit(Submission(sequence, request), self._loop.time())
        self._advance()

    def pause(self) -> None:
        """Stops what runs and forgets what is pending."""
        self._policy.forget()
        if self._turn is not None:
            self._turn.cancel()

    @property
    def idle(self) -> bool:
        """Whether everything asked for has been answered."""
        return self._policy.idle

    def forecast(self) -> Forecast | None:
        """What the running request has to expect while it waits in the engine's line.

        None when it does not wait, or when that is not known.
        """
        start = self._asked
        if start is None or self._place.since is None:
            return None
        forecast = self._engine.forecast(start.request, place=self._place, draft=start.draft)
        return None if self._place.since is None else forecast

    async def events(self) -> AsyncIterator[LiveEvent]:
        """Yields the newest event not yet seen, until the session is closed."""
        while True:
            while self._newest is None:
                if self._closed:
                    return
                self._wake.clear()
                await self._wake.wait()
            event, self._newest = self._newest, None
            yield event

    async def aclose(self) -> None:
        """Stops all work and ends `events`."""
        self._closed = True
        self._wake.set()
        if self._timer is not None:
            self._timer.cancel()
        self.pause()
        if self._turn is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._turn

    def _advance(self) -> None:
        """Does what the policy says until there is nothing more to do now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self._engine.status().waiting
        in_line = self._place.since is not None
        action = self._policy.action(self._loop.time(), waiting, in_line)
        match action:
            case Start():
                self._turn = self._context.run(self._loop.create_task, self._run(action))
                self._turn.add_done_callback(self._ended)
                self._advance()
            case Cancel():
                assert self._turn is not None  # noqa: S101
                self._turn.cancel()
            case Wait(until):
                self._timer = self._loop.call_at(until, self._advance)

    async def _run(self, start: Start) -> None:
        """One turn: streams one request until its end or until it is superseded."""
        sequence = start.submission.sequence
        budget = self._budget if start.draft else None
        self._asked = start
        try:
            stream = self._engine.generate(start.request, place=self._place, draft=start.draft)
            async with aclosing(stream) as frames:
                async for frame in frames:
                    self._policy.frame(frame.final, self._loop.time())
                    if start.shows(frame.step):
                        shown = replace(frame, final=False) if start.draft else frame
                        self._show(LiveEvent(sequence, shown, budget=budget))
                    if not frame.final:
                        self._advance()
        except LightningError as error:
            self._show(LiveEvent(sequence, None, error))

    def _ended(self, turn: asyncio.Task[None]) -> None:
        # A callback and not a `finally`: a task that is cancelled before its first step never
        # enters its body.
        if not turn.cancelled() and (error := turn.exception()) is not None:
            log.error("a turn failed", exc_info=error)
        self._turn = self._asked = None
        self._policy.ended(self._loop.time())
        if not self._closed:
            self._advance()

    def _show(self, event: LiveEvent) -> None:
        self._newest = event
        self._wake.set()

    def _draft(self, request: GenerationRequest) -> GenerationRequest | None:
        """What to paint first for somebody who is typing."""

        def forecast(request: GenerationRequest, draft: bool) -> Forecast | None:
            return self._engine.forecast(request, place=self._place, draft=draft)

        limits = self._engine.status().limits
        return governor.choose(request, limits, self._budget / 1000, forecast)
