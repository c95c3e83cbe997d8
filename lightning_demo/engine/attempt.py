"""One engine of several, and one request that is given to it."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from ..errors import CheckpointError, DeviceLost, EngineHung, EngineUnavailable, LightningError
from ..schemas import Frame
from .base import UNFINISHED, Engine, Forecast, Requeued, Stream, Value, Work
from .breaker import Breaker
from .lateness import Lateness

# What another engine may do all the same. A request that is at fault, or too large, never is.
AGAIN = (EngineUnavailable, DeviceLost, CheckpointError)

HUNG_SECONDS = 30.0  # without anything new of what has started, at the least
HUNG_FORECASTS = 20.0  # times the forecast of the work, the same
HUNG_UNKNOWN = 600.0  # the same, where there is no forecast


@dataclass(eq=False)
class Place:
    """An engine, by a name for people, and what has been seen of it."""

    name: str
    engine: Engine
    here: bool = False  # whether it is this machine's own
    label: str = ""  # for visitors, who need no addresses; empty: it is not listed
    breaker: Breaker = field(default_factory=Breaker)
    lateness: Lateness = field(default_factory=Lateness)
    hung_seconds: float = HUNG_SECONDS
    attempts: set[Attempt] = field(default_factory=set)  # that are here now
    given: int = 0  # requests, so far
    left: bool = False  # whether it is no longer one of those that are asked

    @property
    def load(self) -> int:
        """Requests that somebody waits for here: of ours, and of others that stand in line."""
        waiting = sum(attempt.waits for attempt in tuple(self.attempts))
        others = max(0, self.engine.status().waiting - waiting)
        return others + sum(not attempt.ahead for attempt in tuple(self.attempts))

    @property
    def line(self) -> int:
        """Of these, those that have not started."""
        waiting = sum(attempt.waits for attempt in tuple(self.attempts))
        return max(waiting, self.engine.status().waiting)

    @property
    def allowed(self) -> bool:
        """Whether a request may be sent there, after those that have failed."""
        return self.breaker.allows(time.monotonic())

    @property
    def ejected(self) -> bool:
        """Whether none are sent there for a while."""
        return self.breaker.state(time.monotonic()) == "open"

    @property
    def idle(self) -> bool:
        """Whether it is well and nobody waits there."""
        status, now = self.engine.status(), time.monotonic()
        return (
            status.state == "ready" and not status.waiting and self.breaker.state(now) == "closed"
        )

    @property
    def free(self) -> bool:
        """Whether it is well and has nothing to do at all."""
        return self.idle and not self.load


class Attempt:
    """A request at one place. Belongs to one event loop."""

    def __init__(self, place: Place, work: Work) -> None:
        """Gives it to the engine."""
        self.place = place
        self._work = work
        self._begun = self._heard = _now()
        self._stream = self._values()
        self._following: asyncio.Task[Value | None] | None = None
        self._started = self._shown = False
        self._expected = place.engine.forecast(work)
        self.stuck = False  # whether it does not go on, at an engine that answers
        place.breaker.begin(self._begun)
        place.attempts.add(self)
        place.given += 1

    @property
    def ahead(self) -> bool:
        """Whether nobody waits for it."""
        return self._work.ahead

    @property
    def waits(self) -> bool:
        """Whether somebody waits for it, and it has not started."""
        return not (self._started or self._work.ahead)

    @property
    def late(self) -> bool:
        """Whether its first frame should have come by now."""
        after = self.place.lateness.late_after(self._expected)
        return after is not None and _now() - self._begun >= after

    def forecast(self) -> Forecast | None:
        """See `Engine.forecast`."""
        return self.place.engine.forecast(self._work)

    def amend(self, amended: Work) -> None:
        """See `Engine.amend`."""
        self.place.engine.amend(self._work, amended)
        self._work = amended

    def ask(self) -> asyncio.Task[Value | None]:
        """The next value, as it comes: what nobody asks for need not be made."""
        if self._following is None:
            self._heard = _now()
            self._following = asyncio.ensure_future(anext(self._stream, None))
        return self._following

    def check(self) -> None:
        """Notes what is expected of it, and whether it has been quiet for too long: then it ends.

        What waits in line may wait; a server that has died there says so by its silence.
        """
        if not self._started or self._expected is None:
            self._expected = self.forecast() or self._expected
        if not self._started:
            return
        most = HUNG_UNKNOWN
        if self._expected is not None:
            most = max(self.place.hung_seconds, HUNG_FORECASTS * self._expected.work)
        if _now() - self._heard > most and self._following is not None:
            self.stuck = True
            self._following.cancel()

    def take(self) -> Value:
        """The value that was asked for and has come.

        Raises:
            LightningError: there is none.
        """
        task, self._following = self._following, None
        assert task is not None  # noqa: S101
        if task.cancelled() and self.stuck:
            raise EngineHung(f"{self.place.name} has not gone on with this picture.")
        value = task.result()
        if value is None:
            raise EngineUnavailable(UNFINISHED)
        self._started = not isinstance(value, Requeued)
        if isinstance(value, Frame) and not self._shown:
            self._shown = True
            if not (self._work.ahead or value.cached):
                self.place.lateness.add(_now() - self._begun)
        return value

    async def lose(self, error: LightningError) -> None:
        """The engine has not painted it."""
        if self._work.ahead:
            self.place.breaker.left()
        else:
            self.place.breaker.failed(_now(), hung=isinstance(error, EngineHung))
        self.place.attempts.discard(self)
        await self._close()

    def leave(self) -> asyncio.Task[None]:
        """Nobody wants it any more, or another engine has been first, or it is done.

        It is gone from its place at once. What is returned closes its stream, which goes on even if
        whoever waits for that is cancelled meanwhile.
        """
        self.place.breaker.left()
        self.place.attempts.discard(self)
        return asyncio.create_task(self._close())

    async def _values(self) -> Stream:
        # It begins with the first value that is asked for; the work may have been amended by then.
        async with aclosing(self.place.engine.generate(self._work)) as values:
            async for value in values:
                yield value

    async def _close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        with suppress(Exception):  # what it says at its end, nobody reads
            await self._stream.aclose()


def _now() -> float:
    """The loop's time, which simulations bring; else that of `time.monotonic`."""
    return asyncio.get_running_loop().time()
