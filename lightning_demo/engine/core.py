"""The core of an engine: who waits, and who is next. No thread, no asyncio, no clock, no lock.

What a batch goes through is in `executor`.

Whoever drives it brings the time: a thread (`local`), or the virtual clock of `bench simulate`.
`admit`, `amend`, `drop`, `take` and `forecast` may be called at any time, also while a step runs:
each changes single values, and a step looks at a copy of the queue.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from ..errors import DeviceLost, EngineUnavailable
from ..schemas import Limits
from .base import MAX_WAITING, NOT_PAINTED, Forecast, Work, check_room
from .decoding import DecodingQueue, alive
from .events import Event
from .executor import BatchExecutor
from .in_flight import InFlightRequest
from .latency_model import Kind, LatencyModel
from .previews import NOTICED
from .queue import RequestQueue
from .runner import Runner


class EngineCore:
    """Every request in flight, and what happens to them next."""

    def __init__(
        self, limits: Limits, latency_model: LatencyModel, max_waiting: int = MAX_WAITING
    ) -> None:
        """
        Args:
            max_waiting: requests in the queue, beyond which work is refused.
        """
        self._max_waiting = max_waiting
        self.latency_model = latency_model
        self._limits = limits
        self._queue = RequestQueue(latency_model)
        self._decoding = DecodingQueue(latency_model, self._queue.precedence)
        self._executor = BatchExecutor(self._queue, self._decoding, latency_model)

    @property
    def waiting(self) -> int:
        """Requests that have not started."""
        return self._queue.waiting

    @property
    def yielding(self) -> int:
        """Those of them that give way to all others."""
        return self._queue.yielding

    @property
    def in_flight(self) -> tuple[InFlightRequest, ...]:
        """All requests that have not ended."""
        return *self._queue.line, *self._queue.guesses, *self._decoding.requests

    @property
    def idle(self) -> bool:
        """Whether the device does nothing, and nothing is asked of it."""
        return not self.in_flight and not self._decoding.runs_beside

    @property
    def only_decodes(self) -> bool:
        """Whether there is no step to take until a picture has been decoded, or somebody asks."""
        line = self._queue.line
        return self._decoding.computes and (not line or self._decoding.holds_back(line))

    @property
    def longest_call(self) -> float:
        """Seconds that the longest call for any request in flight should take; 0 without any.

        Bringing its weights to the device included. May be asked at any time.
        """
        model, longest = self.latency_model, 0.0
        for steps, size, chunks in {request.group for request in self.in_flight}:
            for kind in get_args(Kind):
                seconds = model.seconds(kind, size, model.cap(kind, size), chunks=chunks)
                longest = max(longest, seconds + self._queue.loading(steps))
        return longest

    def start(self, runner: Runner) -> None:
        """The model is there; until now requests could only wait."""
        self._queue.loading = runner.seconds_to_load
        self._queue.resident = runner.is_resident
        self._executor.runner = runner

    def request(self, work: Work, now: float) -> InFlightRequest:
        """Makes a request of work, for `admit`.

        The two are apart so that its reader can be registered in between: once it is admitted, a
        step on another thread may start it, or fail it, at once.
        """
        size = self._limits.nearest_size(work.request.width, work.request.height)
        return InFlightRequest(work, now if work.since is None else work.since, size)

    def admit(self, request: InFlightRequest) -> None:
        """A request joins the queue.

        Raises:
            EngineUnavailable: too many are waiting, or it is a guess that could delay somebody.
        """
        if request.work.ahead:
            self._check_guess(request)
        check_room(self._queue.waiting, self._max_waiting)
        self._queue.add(request)
        self._make_way(request)

    def drop(self, request: InFlightRequest) -> None:
        """Nobody reads a request any more: it ends within a step."""
        self._queue.drop(request)

    def take(self, request: InFlightRequest) -> None:
        """The reader has taken the last picture, so that another preview is of use."""
        request.preview_unread = False

    def forecast(self, work: Work, now: float) -> Forecast:
        """How work fares that waits in the queue, or would fare if it came now."""
        known = self._in_flight(work) if work.ahead else self._waiting(work)
        return self._queue.forecast(known or self.request(work, now))

    def amend(self, work: Work, amended: Work) -> InFlightRequest | None:
        """See `Engine.amend`.

        Returns:
            The request of that work; None where nothing has changed.
        """
        changes = work.ahead != amended.ahead
        others = work.previews != amended.previews or work.yields != amended.yields
        anywhere = changes or others
        request = self._in_flight(work) if anywhere else self._waiting(work)
        if request is None or amended.since is None:
            return None
        if changes or amended.client != work.client:
            request.served = 0.0  # a new claim does not pay for device time used before
        request.work, request.since = amended, amended.since
        if changes and request not in self._decoding.requests:
            self._queue.add(request)
        self._make_way(request)
        return request

    def step(self) -> Iterator[Event]:
        """One UNet call for those whose turn it is, and what comes of it, as it happens.

        Yields nothing when nobody waits.

        Raises:
            DeviceLost: nothing can be painted any more.
        """
        for request in self.in_flight:
            if request.dropped:
                yield self._executor.end_dropped(request)
            elif request.done or request in self._decoding.requests:
                self._queue.remove(request)  # `amend` put it back just as it left the queue
        if self._decoding.is_in_vain(self._queue.line):
            self._executor.runner.interrupt("decoder")
        batch = self._queue.next_batch()
        if self._decoding.holds_back(batch):
            batch = []
        if not batch:
            for guess in self._queue.guesses:
                if guess.work.ahead and not self._executor.runner.is_resident(guess.group[0]):
                    yield self._executor.fail(guess, EngineUnavailable(NOT_PAINTED))
        crowded = self._queue.crowded(batch)
        try:
            yield from self._executor.collect()
            yield from self._executor.run(batch, crowded=crowded)
        except DeviceLost:
            raise
        except Exception as error:  # the engine goes on, whatever happens
            for request in alive(dict.fromkeys((*batch, *self._decoding.requests))):
                yield self._executor.fail(request, error)

    def _check_guess(self, request: InFlightRequest) -> None:
        """Refuses a guess that needs other weights on the device, or calls that would be noticed.

        A page that plays by itself may have long ones: it delays others by one of them at most.
        """
        model, size = self.latency_model, request.size
        longest = max(model.seconds(kind, size, 1) for kind in ("step", "decoder"))
        noticed = longest > NOTICED and not request.work.attract
        if noticed or not self._queue.resident(request.group[0]):
            raise EngineUnavailable(NOT_PAINTED)

    def _make_way(self, request: InFlightRequest) -> None:
        """Interrupts what runs for guesses, or for requests that give way to this one.

        Not where those that give way have waited long enough for their turn (`Precedence`).
        """
        if request.work.ahead:
            return
        if self._decoding.disturbs(request):
            self._executor.runner.interrupt("decoder")
        stepping = self._executor.stepping
        if not stepping or request in stepping:
            return
        guesses = all(each.work.ahead for each in stepping)
        if guesses or self._queue.precedence.holds(stepping, (request,)):
            self._executor.runner.interrupt("unet")

    def _in_flight(self, work: Work) -> InFlightRequest | None:
        alive = (r for r in self.in_flight if not (r.dropped or r.done))
        return next((request for request in alive if request.work == work), None)

    def _waiting(self, work: Work) -> InFlightRequest | None:
        """The request of this work while it waits."""
        # Work without `since` has yet to come; what waits has had one since it was admitted.
        for request in self._queue.line if work.since is not None else ():
            if request.work == work and not (request.started or request.dropped):
                return request
        return None
