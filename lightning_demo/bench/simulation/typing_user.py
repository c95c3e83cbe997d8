"""Somebody typing at a live page: what `engine.live` does, on the virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...engine import governor
from ...engine.base import Forecast
from ...engine.policy import Cancel, LivePolicy, Start, Submission, Wait
from ...schemas import GenerationRequest
from ...settings import Settings
from ..typists import Key
from .clock import Clock
from .gpu import Gpu, Job
from .record import Record


class TypingUser:
    """One session with its latest-wins slot."""

    def __init__(
        self,
        clock: Clock,
        gpu: Gpu,
        settings: Settings,
        request: GenerationRequest,
        keys: Sequence[Key],
    ) -> None:
        """
        Args:
            gpu: the one that all its requests go to.
            settings: of its session.
            request: what it asks for, but for the prompt.
        """
        self.since: float | None = None
        self.record = Record()
        self._clock, self._gpu = clock, gpu
        self._budget = settings.latency_budget / 1000
        self._policy = LivePolicy(
            max_stale=settings.max_stale_ms / 1000,
            debounce=settings.debounce_ms / 1000,
            draft=self._draft,
        )
        self._request, self._keys = request, keys
        self._turn: tuple[Start, Job] | None = None
        self._timers = 0
        gpu.sessions += 1
        self._press(0)

    def show(self, job: Job, step: int, final: bool) -> None:
        """See `gpu.Reader`."""
        assert self._turn is not None  # noqa: S101
        start = self._turn[0]
        now = self._clock.now
        self._policy.frame(final, now)
        if start.shows(step):
            self.record.showed(start.submission.sequence, now, final and not start.draft)
        if final:
            job.closed = True
            self._ended()
        else:
            self._advance()

    def _press(self, number: int) -> None:
        """Asks for the key of this number when it is due."""
        if number < len(self._keys):
            self._clock.at(self._keys[number].at, partial(self._pressed, number))

    def _pressed(self, number: int) -> None:
        key, now = self._keys[number], self._clock.now
        self.record.pressed(number, now, key.waits)
        self._press(number + 1)
        self._policy.submit(Submission(number, replace(self._request, prompt=key.text)), now)
        self._advance()

    def _advance(self) -> None:
        """Does what the policy says until there is nothing more to do now."""
        self._timers += 1  # those that were set are of no use any more
        in_line = self.since is not None
        match self._policy.action(self._clock.now, self._gpu.waiting, in_line):
            case Start() as start:
                job = self._gpu.admit(self, start.request, draft=start.draft)
                self._turn = start, job
                self._advance()
            case Cancel():
                assert self._turn is not None  # noqa: S101
                self._gpu.close(self._turn[1])
                self._ended()
            case Wait(until):
                self._clock.at(until, partial(self._timer, self._timers))

    def _ended(self) -> None:
        self._turn = None
        self._policy.ended(self._clock.now)
        self._advance()

    def _draft(self, request: GenerationRequest) -> GenerationRequest | None:
        """What to paint first while typing."""

        def forecast(request: GenerationRequest, draft: bool) -> Forecast:
            return self._gpu.forecast(self, request, draft=draft)

        return governor.choose(request, self._gpu.limits, self._budget, forecast)

    def _timer(self, number: int) -> None:
        if number == self._timers:
            self._advance()
