"""Runs the batch whose turn it is: begins, steps, previews and decodes, and tells what came of it.

What concerns several requests is tried for all at once, and where that fails for halves of them:
only the one at fault fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future

from ..errors import DeviceLost, Interrupted, OutOfMemory, report_incident
from .base import NOT_PAINTED
from .decoding import DecodingQueue, alive, gives_way
from .events import Batch, Called, Dropped, Event, Failed, Painted, Scheduled
from .in_flight import InFlightRequest
from .latency_model import Kind, LatencyModel
from .previews import decodes_slowly, is_seen, shows_preview
from .queue import RequestQueue
from .runner import Decoded, Pixels, Runner

log = logging.getLogger(__name__)


class BatchExecutor:
    """Drives the runner for one batch after another."""

    def __init__(
        self, queue: RequestQueue, decoding: DecodingQueue, latency_model: LatencyModel
    ) -> None:
        self._queue = queue
        self._decoding = decoding
        self._latency_model = latency_model
        # Both are read on other threads, too.
        self.runner: Runner  # set once the model is there
        self.stepping: Batch = ()  # what takes a step at this moment

    def run(self, batch: Batch, *, crowded: bool) -> Iterator[Event]:
        """Takes one step of the batch, and shows what is finished or of use on the way.

        Args:
            crowded: see `RequestQueue.crowded`.
        """
        if not batch:
            return
        model = self._latency_model
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
            self._decoding.add(request)  # first: other threads find it at every moment
            self._queue.remove(request)
        yield from self.collect()
        unfinished = [request for request in stepped if request.steps_left]
        if gives_way(stepped, self._queue.line):
            return  # a preview would keep whoever has come meanwhile waiting
        wanted = [r for r in unfinished if shows_preview(r, crowded=crowded) and is_seen(r, model)]
        yield from self._show(wanted, final=False)

    def collect(self) -> Iterator[Event]:
        """Hands over what has been decoded beside the steps, and begins to decode what is next."""
        for batch, decoding in self._decoding.ended():
            yield from self._deliver(batch, decoding)
        while batch := self._decoding.next_batch(self._queue.line):
            begun = self.runner.decode_beside([request.row for request in batch])
            if begun is not None:
                self._decoding.begun(batch, begun)
            elif self._decoding.runs_beside:
                return
            else:
                yield from self._show(batch, final=True)

    def fail(self, request: InFlightRequest, error: Exception) -> Failed:
        """Ends a request that cannot be painted."""
        self._end(request)
        return Failed(request, report_incident(error, NOT_PAINTED, log))

    def end_dropped(self, request: InFlightRequest) -> Dropped:
        """Ends a request that nobody reads."""
        self._end(request)
        return Dropped(request, request.step - request.shown)

    def _begin(self, new: Batch) -> Iterator[Event]:
        for request in new:
            self._queue.start(request)
            yield Scheduled(request)
        if not new:
            return
        requests = [request.work.request for request in new]
        asked = any(not request.work.ahead for request in new)
        rows, prompts, seconds = self.runner.begin(requests, asked=asked)
        yield Called("prompt", new, prompts, seconds)
        for request, row in zip(new, rows, strict=True):
            if isinstance(row, DeviceLost):
                raise row
            if isinstance(row, Exception):
                yield self.fail(request, row)
            else:
                request.row = row

    def _step(self, batch: Batch) -> Iterator[Event]:
        self.stepping = batch
        try:
            seconds = self.runner.step([request.row for request in batch])
        finally:
            self.stepping = ()
        rows = sum(request.rows for request in batch)
        first = batch[0]
        self._latency_model.observe("step", first.size, rows, seconds, chunks=first.chunks)
        self._queue.charge(batch, seconds)
        yield Called("step", batch, rows, seconds)

    def _show(self, requests: Batch, *, final: bool) -> Iterator[Event]:
        """Decodes pictures, as many in one call as is worthwhile."""
        if not requests:
            return
        kind: Kind = requests[0].decoder if final else "preview"
        together = self._latency_model.cap(kind, requests[0].size)
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
        pictures, seconds = self.runner.decode(kind, [request.row for request in batch])
        self._queue.precedence.decoded(batch, seconds)
        yield from self._painted(batch, kind, pictures, seconds, final=final)

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

    def _painted(
        self, batch: Batch, kind: Kind, pictures: Sequence[Pixels], seconds: float, *, final: bool
    ) -> Iterator[Event]:
        self._latency_model.observe(kind, batch[0].size, len(batch), seconds)
        painted = [
            Painted(pixels, r.step, final, self.runner.notes(r.row), r, not r.shown)
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
                self._latency_model.lower(kind, batch[0].size, rows)
            if len(batch) == 1:
                if optional:
                    log.warning("a preview could not be made: %s", error)
                else:
                    yield self.fail(batch[0], error)
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

    def _end(self, request: InFlightRequest) -> None:
        request.done = True
        self._queue.remove(request)
        self._decoding.remove(request)
