"""Several engines as one: this machine's, then others that stand by for it; or equals (`choice`).

A request goes to the first that is well, or to the one with least to do. Should that engine die,
hang or be unavailable, the request begins once more on the next one, or where nobody else is ready
on the same one, if that was only silent: its seed is in it, so the picture is the same, and what
has been shown is left out. It is never begun a third time, for it may be what has ended the two.
What somebody waits for who has stopped typing is begun on a second engine, too, where its first
frame is late; whoever is first goes on, the other is cancelled. Never imports torch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..errors import EngineHung, EngineUnavailable, LightningError, NotTaken
from ..schemas import EngineStatus, Frame
from .attempt import AGAIN, Attempt, Place
from .base import STOPPED, Forecast, Requeued, Started, Stream, Work
from .choice import Choice, Ordered
from .lateness import Allowance
from .metrics import EngineRow, Metrics

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1  # between two looks at whether a first frame is late, or a model there
QUIET_TICK_SECONDS = 1.0  # between two looks at all others
MOST = 2  # engines that one request is given to
NOBODY = "No engine is there to paint this now; try again in a moment."


@dataclass(eq=False)
class _Request:
    """Work, and where it is being painted."""

    work: Work
    attempts: list[Attempt] = field(default_factory=list)
    tried: list[Place] = field(default_factory=list)
    given: int = 0  # to engines that may have begun it
    started: bool = False
    shown: tuple[int, bool] = (0, False)  # `Frame.progress`
    error: LightningError | None = None  # of the last engine
    may_answer_again: bool = False  # whether that has only been silent, or has not taken it

    @property
    def may_have_a_second_start(self) -> bool:
        """Whether somebody waits for the first frame of it, and for nothing that follows."""
        work = self.work
        wanted = work.paused and not (work.ahead or work.draft or work.yields)
        return wanted and self.shown == (0, False) and self.given < MOST and len(self.attempts) == 1


class FailoverEngine:
    """See above. One event loop for each request; any thread may change the places."""

    def __init__(
        self,
        places: Sequence[Place],
        metrics: Metrics | None = None,
        choice: Choice | None = None,
    ) -> None:
        """
        Args:
            places: the engines, which hold the same weights; at least one.
            choice: which of them gets a request; the first that is well when absent.
        """
        self._places = tuple(places)
        self._choice = choice or Ordered()
        self._metrics = metrics or Metrics()
        self._allowance = Allowance()
        self._requests: dict[_Request, None] = {}
        self._closed = False
        self._metrics.list_engines(self.rows)

    @property
    def places(self) -> tuple[Place, ...]:
        """The engines, at least one. What is being painted at one that is taken away goes on."""
        return self._places

    @places.setter
    def places(self, places: Sequence[Place]) -> None:
        for place in self._places:
            place.left = place not in places
        self._places = tuple(places)

    def status(self) -> EngineStatus:
        """See `Engine.status`: of whichever paints now, and how many could."""
        known = [(place, place.engine.status()) for place in self.places]
        first = known[0][1]
        ready = [each for each in known if each[1].state == "ready" and not each[0].ejected]
        loading = [each for each in known if each[1].state == "loading"]
        place, about = (ready or loading or known)[0]
        detail = about.detail
        if self._closed:
            about, detail = replace(about, state="closed", progress=None), STOPPED
        elif ready and first.state == "failed" and self._choice.ordered:
            detail = f"{place.name} goes on: {first.detail}"
        elif not (ready or loading):
            named = (f"{place.name}: {status.detail}" for place, status in known)
            detail = " ".join(dict.fromkeys(named))
        own = first if self._choice.ordered else about
        return replace(
            about,
            limits=first.limits,
            detail=detail,
            waiting=sum(status.waiting for _, status in known),
            yielding=sum(status.yielding for _, status in known),
            engines=sum(status.engines for _, status in known),
            engines_ready=sum(status.engines_ready for _, status in ready),
            own_state="closed" if self._closed else own.state,
        )

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`; by whichever engine has it, or would get it."""
        for request in tuple(self._requests):
            if request.work == work and request.attempts:
                return request.attempts[0].forecast()
        place = self._choose(_Request(work))
        return None if place is None else place.engine.forecast(work)

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`."""
        for request in tuple(self._requests):
            if request.work == work and amended.since is not None:
                request.work = amended
                for attempt in request.attempts:
                    attempt.amend(amended)
                return

    async def generate(self, work: Work) -> Stream:
        """See `Engine.generate`."""
        if work.since is None:  # whoever paints it, it has waited from now on
            work = replace(work, since=asyncio.get_running_loop().time())
        request = _Request(work)
        self._requests[request] = None
        if not work.ahead:
            self._allowance.earn()
        try:
            while request.shown[1] is False:
                if self._closed:
                    raise EngineUnavailable(STOPPED)
                if not request.attempts:
                    self._begin(request, self._choose(request))
                for attempt in await self._news(request):
                    if attempt not in request.attempts:
                        continue  # another was first, at the same moment
                    try:
                        value = attempt.take()
                    except AGAIN as error:
                        lost_start = request.started
                        await self._lose(request, attempt, error)
                        if lost_start and not request.started:
                            yield Requeued()
                        continue
                    if isinstance(value, Frame):
                        await self._prefer(request, attempt)
                        if value.progress <= request.shown:  # never back, whoever paints
                            continue
                        request.shown = value.progress
                        if value.final:
                            attempt.place.breaker.succeeded()
                    elif isinstance(value, Started):
                        if request.started:
                            continue
                    elif len(request.attempts) > 1:
                        continue  # the other one may have started
                    request.started = not isinstance(value, Requeued)
                    yield value
        finally:
            self._requests.pop(request, None)
            await _left(*request.attempts)

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._closed = True
        await asyncio.gather(*(place.engine.aclose() for place in self.places))

    def rows(self) -> list[EngineRow]:
        """Each engine, for visitors: of several that are one of these, all."""
        found = []
        for place in self.places:
            several = isinstance(place.engine, FailoverEngine) and place.engine.rows()
            found += several or ([_row(place)] if place.label else [])
        return found

    def _choose(self, request: _Request, *, again: bool = False) -> Place | None:
        """The best that is well, or will be; rather one that has failed of late than nobody.

        Args:
            again: be it one that has had it before.
        """
        had = [attempt.place for attempt in request.attempts] if again else request.tried
        fresh = [place for place in self.places if place not in had]
        if request.work.here:
            fresh = [place for place in fresh if place.here]
        states = {place: place.engine.status().state for place in fresh}
        ready, loading = (
            [place for place in fresh if states[place] == state] for state in ("ready", "loading")
        )
        best = [place for place in ready if place.allowed] or loading or ready
        return next(iter(self._choice.order(best, request.work)), None) if best else None

    def _begin(self, request: _Request, place: Place | None) -> None:
        """Gives the request to an engine.

        Raises:
            LightningError: there is none, in the words of the one before.
        """
        if place is None:
            raise request.error or EngineUnavailable(self._why(request))
        request.tried.append(place)
        request.given += 1
        request.attempts.append(Attempt(place, request.work))
        self._choice.given(place, request.work)

    def _why(self, request: _Request) -> str:
        places = [place for place in self.places if place.here or not request.work.here]
        details = [place.engine.status().detail for place in places]
        return " ".join(filter(None, details)) or NOBODY

    async def _news(self, request: _Request) -> list[Attempt]:
        """Those of its attempts that have something new; looks after them meanwhile."""
        asked = {attempt.ask(): attempt for attempt in request.attempts}
        done, _ = await asyncio.wait(
            asked, timeout=_tick(request), return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            for attempt in request.attempts:
                attempt.check()
            await self._move_to_one_that_is_ready(request)
            self._start_a_second(request)
        return [asked[task] for task in asked if task in done]

    async def _lose(self, request: _Request, attempt: Attempt, error: LightningError) -> None:
        """An engine has not painted it; the next one will, if there may be one.

        Raises:
            LightningError: there may be none.
        """
        request.attempts.remove(attempt)
        await attempt.lose(error)
        request.error = error
        request.may_answer_again = isinstance(error, (EngineHung, NotTaken)) and not attempt.stuck
        if isinstance(error, NotTaken):
            request.given -= 1
        if self._closed or request.work.ahead:  # nobody has asked for a guess
            raise error
        if request.attempts:
            return
        place = None if request.given >= MOST else self._choose(request)
        if place is None:
            raise error
        log.warning(
            "%s begins anew what %s has not painted: %s", place.name, attempt.place.name, error
        )
        self._metrics.moved("hung" if isinstance(error, EngineHung) else "gone")
        request.started = False
        self._begin(request, place)

    async def _prefer(self, request: _Request, attempt: Attempt) -> None:
        """The first to show something paints on; the other one stops."""
        others = [each for each in request.attempts if each is not attempt]
        if others:
            request.attempts = [attempt]
            self._metrics.hedged(won=attempt.place is request.tried[-1])
            await _left(*others)

    async def _move_to_one_that_is_ready(self, request: _Request) -> None:
        """What waits for a model to load goes to an engine that has become ready before.

        Be it one that has not answered: that may only have been silent for a while, and is asked
        again once its breaker allows it.
        """
        if request.started or len(request.attempts) != 1:
            return
        (attempt,) = request.attempts
        if attempt.place.engine.status().state != "loading":
            return
        # One that has said of itself that it is lost may still count as ready for a moment.
        for again in (False, True) if request.may_answer_again else (False,):
            place = self._choose(request, again=again)
            if place is None or place.engine.status().state != "ready" or not place.allowed:
                continue
            request.attempts.clear()
            request.tried.remove(attempt.place)  # where it has not begun, and may be asked again
            request.given -= 1
            await _left(attempt)
            self._begin(request, place)
            return

    def _start_a_second(self, request: _Request) -> None:
        """Asks another engine, too, where the first frame of the last key is late."""
        if not request.may_have_a_second_start or not request.attempts[0].late:
            return
        place = self._choose(request)
        if place is None or not place.idle or not self._allowance.spend():
            return
        log.info("%s is late; %s begins, too", request.attempts[0].place.name, place.name)
        self._begin(request, place)


async def _left(*attempts: Attempt) -> None:
    """Leaves them. Cancelled, it lets them close all the same."""
    await asyncio.shield(asyncio.gather(*[attempt.leave() for attempt in attempts]))


def _tick(request: _Request) -> float:
    """Seconds until it is looked after: hundreds may wait, and looking takes a while."""
    if request.may_have_a_second_start:
        return TICK_SECONDS
    places = [] if request.started else [each.place for each in request.attempts]
    loading = any(place.engine.status().state == "loading" for place in places)
    return TICK_SECONDS if loading else QUIET_TICK_SECONDS


def _row(place: Place) -> EngineRow:
    """For visitors: one that gets nothing for a while after it has failed is said to rest."""
    status = place.engine.status()
    return {
        "name": place.label,
        "state": "resting" if status.state == "ready" and place.ejected else status.state,
        "waiting": status.waiting,
        "painting": len(place.attempts),
        "given": place.given,
    }
