"""The core of an engine: queue, run, postprocess. No thread, no asyncio, no clock, no lock.

Whoever drives it brings the time: a thread (`local`), or the virtual clock of `bench simulate`.
`admit`, `amend`, `drop`, `take` and `forecast` may be called at any time, also while a step runs:
each changes single values, and a step looks at a copy of the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import get_args

from ..errors import DeviceLost, EngineUnavailable, Interrupted, OutOfMemory, report_incident
from ..schemas import Limits
from .base import MAX_WAITING, NOT_PAINTED, Forecast, Work, check_room
from .decoding import DecodingQueue, alive, gives_way
from .events import Batch, Called, Dropped, Event, Failed, Painted, Scheduled
from .in_flight import InFlightRequest
from .latency_model import Kind, LatencyModel
from .previews import NOTICED, decodes_slowly, is_seen, shows_preview
from .queue import RequestQueue
from .runner import Decoded, Pixels, Runner

log = logging.getLogger(__name__)


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
        self._runner: Runner  # from `start` on
        self._decoding = DecodingQueue(latency_model, self._queue.precedence)
        self._stepping: Batch = ()  # what takes a step at this moment

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
        self._runner = runner

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

        Yields nothing when nobody waits. Everything that concerns several requests is tried for all
        at once, and where that fails for halves of them: only the one at fault fails.

        Raises:
            DeviceLost: nothing can be painted any more.
        """
        for request in self.in_flight:
            if request.dropped:
                yield self._leave(request)
            elif request.done or request in self._decoding.requests:
                self._queue.remove(request)  # `amend` put it back just as it left the queue
        if self._decoding.is_in_vain(self._queue.line):
            self._runner.interrupt("decoder")
        batch = self._queue.next_batch()
        if self._decoding.holds_back(batch):
            batch = []
        if not batch:
            for guess in self._queue.guesses:
                if guess.work.ahead and not self._runner.is_resident(guess.group[0]):
                    yield self._fail(guess, EngineUnavailable(NOT_PAINTED))
        crowded = self._queue.crowded(batch)
        try:
            yield from self._collect()
            yield from self._run(batch, crowded=crowded)
        except DeviceLost:
            raise
        except Exception as error:  # the engine goes on, whatever happens
            for request in alive(dict.fromkeys((*batch, *self._decoding.requests))):
                yield self._fail(request, error)

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
            self._runner.interrupt("decoder")
        stepping = self._stepping
        if not stepping or request in stepping:
            return
        guesses = all(each.work.ahead for each in stepping)
        if guesses or self._queue.precedence.holds(stepping, (request,)):
            self._runner.interrupt("unet")

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

    def _run(self, batch: Batch, *, crowded: bool) -> Iterator[Event]:
        if not batch:
            return
        model = self.latency_model
        yield from self._begin([request for request in batch if not request.started])
        # A prompt that has turned out to be longer goes on in a call of its own.
        begun = alive(batch)
        batch = [request for request in begun if request.chunks == begun[0].chunks]
        before = sum(request.step for request in batch)
        yield from self._tried("step", batch, self._step)
        if sum(request.step for request in batch) == before:
            return  # it was interrupted, or nobody is left
        stepped = alive(batch)
        finished = [request for request in stepped if not request.steps_left]
        asked = [request for request in finished if not request.work.draft]
        # Drafts first: somebody is typing.
        yield from self._show([r for r in finished if r.work.draft], final=True)
        slow = [r for r in asked if shows_preview(r, crowded=crowded) and decodes_slowly(r, model)]
        yield from self._show(slow, final=False)
        for request in alive(asked):
            self._queue.remove(request)
            self._decoding.add(request)
        yield from self._collect()
        unfinished = [request for request in stepped if request.steps_left]
        if gives_way(stepped, self._queue.line):
            return  # a preview would keep whoever has come meanwhile waiting
        wanted = [r for r in unfinished if shows_preview(r, crowded=crowded) and is_seen(r, model)]
        yield from self._show(wanted, final=False)

    def _collect(self) -> Iterator[Event]:
        """Hands over what has been decoded beside the steps, and begins to decode what is next."""
        for batch, decoding in self._decoding.ended():
            yield from self._deliver(batch, decoding)
        while batch := self._decoding.next_batch(self._queue.line):
            begun = self._runner.decode_beside([request.row for request in batch])
            if begun is not None:
                self._decoding.begun(batch, begun)
            elif self._decoding.runs_beside:
                return
            else:
                yield from self._show(batch, final=True)

    def _deliver(self, batch: Batch, decoding: Future[Decoded]) -> Iterator[Event]:
        try:
            pictures, seconds = decoding.result()
        except (Interrupted, CancelledError):
            pass  # those of it that are still in flight have their turn again
        except Exception:
            if wanted := alive(batch):
                log.warning("%d pictures are decoded once more, now", len(wanted), exc_info=True)
                yield from self._show(wanted, final=True)
        else:
            self._queue.precedence.decoded(batch, seconds)
            yield from self._painted(batch, "decoder", pictures, seconds, final=True)

    def _begin(self, new: Batch) -> Iterator[Event]:
        for request in new:
            self._queue.start(request)
            yield Scheduled(request)
        if not new:
            return
        requests = [request.work.request for request in new]
        asked = any(not request.work.ahead for request in new)
        rows, prompts, seconds = self._runner.begin(requests, asked=asked)
        yield Called("prompt", new, prompts, seconds)
        for request, row in zip(new, rows, strict=True):
            if isinstance(row, DeviceLost):
                raise row
            if isinstance(row, Exception):
                yield self._fail(request, row)
            else:
                request.row = row

    def _step(self, batch: Batch) -> Iterator[Event]:
        self._stepping = batch
        try:
            seconds = self._runner.step([request.row for request in batch])
        finally:
            self._stepping = ()
        rows = sum(request.rows for request in batch)
        first = batch[0]
        self.latency_model.observe("step", first.size, rows, seconds, chunks=first.chunks)
        self._queue.charge(batch, seconds)
        yield Called("step", batch, rows, seconds)

    def _show(self, requests: Batch, *, final: bool) -> Iterator[Event]:
        """Decodes pictures, as many in one call as is worthwhile."""
        if not requests:
            return
        kind: Kind = requests[0].decoder if final else "preview"
        together = self.latency_model.cap(kind, requests[0].size)
        for start in range(0, len(requests), together):
            if start and not final and gives_way(requests, self._queue.line):
                return
            yield from self._tried(
                kind,
                requests[start : start + together],
                lambda part: self._decode(part, kind, final),
                optional=not final,
            )

    def _decode(self, batch: Batch, kind: Kind, final: bool) -> Iterator[Event]:
        pictures, seconds = self._runner.decode(kind, [request.row for request in batch])
        self._queue.precedence.decoded(batch, seconds)
        yield from self._painted(batch, kind, pictures, seconds, final=final)

    def _painted(
        self, batch: Batch, kind: Kind, pictures: Sequence[Pixels], seconds: float, *, final: bool
    ) -> Iterator[Event]:
        self.latency_model.observe(kind, batch[0].size, len(batch), seconds)
        painted = [
            Painted(pixels, r.step, final, self._runner.notes(r.row), r, not r.shown)
            for r, pixels in zip(batch, pictures, strict=True)
            if not (r.done or r.dropped)
        ]
        yield Called(kind, batch, len(batch), seconds)
        for each in painted:
            each.request.shown, each.request.preview_unread = each.step, not final
            if final:
                self._end(each.request)
            yield each

    def _tried(
        self,
        kind: Kind,
        batch: Batch,
        call: Callable[[Batch], Iterator[Event]],
        *,
        optional: bool = False,
    ) -> Iterator[Event]:
        """Calls with all of the batch that are still wanted; where that fails, with halves.

        Args:
            optional: whether a request goes on whose call has failed.
        """
        batch = alive(batch)
        if not batch:
            return
        try:
            events = call(batch)
            first = next(events)  # the device does its part now
        except DeviceLost:
            raise
        except Interrupted:
            return
        except Exception as error:
            if isinstance(error, OutOfMemory):
                rows = sum(r.rows for r in batch) if kind == "step" else len(batch)
                self.latency_model.lower(kind, batch[0].size, rows)
            if len(batch) == 1:
                if optional:
                    log.warning("a preview could not be made: %s", error)
                else:
                    yield self._fail(batch[0], error)
                return
            log.warning("%d rows failed together and are tried apart: %s", len(batch), error)
        else:
            yield first
            yield from events
            return
        # Not within `except`: there the error still holds the memory of the call that failed.
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            yield from self._tried(kind, half, call, optional=optional)

    def _fail(self, request: InFlightRequest, error: Exception) -> Failed:
        self._end(request)
        return Failed(request, report_incident(error, NOT_PAINTED, log))

    def _leave(self, request: InFlightRequest) -> Dropped:
        self._end(request)
        return Dropped(request, request.step - request.shown)

    def _end(self, request: InFlightRequest) -> None:
        request.done = True
        self._queue.remove(request)
        self._decoding.remove(request)
