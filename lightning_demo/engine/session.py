"""A live session: one person typing, one latest-wins slot in front of the engine.

Drives the rules of `policy` with an event loop and an engine. Knows no HTTP and no UI.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from ..errors import LightningError, report_incident
from ..schemas import Frame, GenerationRequest
from ..settings import Settings
from .ahead import Ahead
from .base import NOT_PAINTED, Engine, Forecast, Requeued, Work
from .draft_policy import choose_draft
from .latest import Latest
from .policy import SILENCE, Cancel, LivePolicy, Start, Submission, Wait

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something to show: a frame, or why there is none, of the submission `sequence`."""

    sequence: int
    frame: Frame | None
    error: LightningError | None = None
    budget: float | None = None  # ms; where the frame is of a draft, the budget it was chosen for
    attract: bool = False  # nobody has asked for it: the page plays by itself


class LiveSession:
    """Turns a flood of submissions into a stream of frames that ends with the last one's final.

    Belongs to one event loop. There is one reader of `events`; if it is slow it misses older
    events, never the newest.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        client: Hashable = None,
        *,
        yields: bool = False,
    ) -> None:
        """
        Args:
            client: shared by several sessions, which then take turns as one; None: its own.
            yields: whether its pictures give way to all others that do not.
        """
        self._engine = engine
        self._client, self._yields = client, yields
        self._name = secrets.token_hex(8)  # by which several engines as one know it
        self._policy = LivePolicy(
            max_stale=settings.max_stale_ms / 1000,
            debounce=settings.debounce_ms / 1000,
            draft=self._draft,
            submit_on_enter=engine.status().submit_on_enter,
        )
        self._budget = settings.latency_budget
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.Task[None] | None = None
        self._waiting: Work | None = None  # in the engine's queue; what replaces it waits as long
        self._timer: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None  # until typing has paused
        self._latest: Latest[LiveEvent] = Latest()
        self._ahead = Ahead(engine, lambda: self._policy.idle)
        self._closed = False

    def submit(
        self,
        sequence: int,
        request: GenerationRequest,
        budget: float | None = None,
        ahead: Sequence[GenerationRequest] = (),
        *,
        attract: bool = False,
    ) -> None:
        """Asks for a picture; whatever was asked before is superseded.

        Args:
            budget: milliseconds, from now on; 0: no drafts. None: as it was before.
            ahead: what will probably be asked next, the likeliest first.
            attract: nobody asks, the page plays by itself: painted when nobody wants anything.
        """
        if self._closed:
            return
        if budget is not None:
            self._budget = budget
        # A turn may start later, from a timer or when another ends; it still belongs to whoever
        # asked last. (On ZeroGPU the context says whose GPU time it uses.)
        self._context = contextvars.copy_context()
        self._policy.submit(Submission(sequence, request, attract), self._loop.time())
        if self._silence is not None:
            self._silence.cancel()
        self._silence = None if attract else self._loop.call_later(SILENCE, self._paused)
        self._advance()
        self._ahead.guess(request, ahead)

    def pause(self) -> None:
        """Stops what runs and forgets what is pending."""
        self._policy.forget()
        self._ahead.stop()
        self._waiting = None
        if self._turn is not None:
            self._turn.cancel()

    def stop_guessing(self) -> None:
        """What has been asked for goes on."""
        self._ahead.stop()

    @property
    def idle(self) -> bool:
        """Whether everything asked for has been answered."""
        return self._policy.idle

    def forecast(self) -> Forecast | None:
        """What the running request has to expect while it waits in the engine's queue.

        None when it does not wait, when that is not known, or when the page plays by itself.
        """
        if self._waiting is None or self._turn is None or self._waiting.attract:
            return None
        return self._engine.forecast(self._waiting)

    def events(self) -> AsyncIterator[LiveEvent]:
        """Yields the newest event not yet seen, until the session is closed."""
        return aiter(self._latest)

    async def aclose(self) -> None:
        """Stops all work and ends `events`."""
        self._closed = True
        self._latest.end()
        for timer in (self._timer, self._silence):
            if timer is not None:
                timer.cancel()
        self.pause()
        await self._ahead.aclose()
        if self._turn is not None:
            await asyncio.gather(self._turn, return_exceptions=True)

    def _advance(self) -> None:
        """Does what the policy says until there is nothing more to do now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        in_line = self._waiting is not None
        action = self._policy.action(self._loop.time(), self._others_wait(), in_line)
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
        sequence, attract = start.submission.sequence, start.submission.attract
        budget = self._budget if start.draft else None
        replaced = self._waiting
        # A page that plays by itself may have waited for an hour: nobody inherits that.
        since = self._loop.time() if replaced is None or replaced.attract else replaced.since
        self._waiting = work = Work(
            start.request,
            client=self._client,
            since=since,
            draft=start.draft,
            ahead=attract,
            attract=attract,
            paused=self._quiet(start),
            yields=self._yields,
            session=self._name,
        )
        try:
            async with aclosing(self._engine.generate(work)) as values:
                async for value in values:
                    requeued = isinstance(value, Requeued)
                    self._waiting = replace(work, paused=self._quiet(start)) if requeued else None
                    if not isinstance(value, Frame):
                        continue
                    self._policy.frame(value.final, self._loop.time())
                    if start.shows(value.step):
                        shown = replace(value, final=False) if start.draft else value
                        self._latest.put(LiveEvent(sequence, shown, None, budget, attract))
                    if not value.final:
                        self._advance()
        except Exception as error:
            words = report_incident(error, NOT_PAINTED, log)
            self._latest.put(LiveEvent(sequence, None, words))

    def _quiet(self, start: Start) -> bool:
        """Whether typing has paused since somebody has asked for this."""
        return self._silence is None and not start.submission.attract

    def _paused(self) -> None:
        """Typing has paused: its request goes before those of people who are still typing."""
        self._silence = None
        if (work := self._waiting) is not None and not work.attract:
            self._waiting = replace(work, paused=True)
            self._engine.amend(work, self._waiting)

    def _ended(self, turn: asyncio.Task[None]) -> None:
        # A callback and not a `finally`: a task that is cancelled before its first step never
        # enters its body.
        if not turn.cancelled():
            self._waiting = None  # only work that is replaced in the queue hands its `since` on
        self._turn = None
        self._policy.ended(self._loop.time())
        if not self._closed:
            self._advance()
            self._ahead.go_on()

    def _others_wait(self) -> int:
        """How many requests of others wait in the engine's queue that may go before its own."""
        status = self._engine.status()
        waiting = status.waiting if self._yields else status.waiting - status.yielding
        return max(0, waiting - (self._waiting is not None))

    def _draft(self, request: GenerationRequest) -> GenerationRequest | None:
        """What to paint first for somebody who is typing."""

        since = None if self._waiting is None else self._waiting.since

        def forecast(request: GenerationRequest, draft: bool, keeps: bool) -> Forecast | None:
            kept = since if keeps else None
            work = Work(request, self._client, kept, draft, yields=self._yields)
            return self._engine.forecast(work)

        limits = self._engine.status().limits
        return choose_draft(request, limits, self._budget / 1000, forecast)
