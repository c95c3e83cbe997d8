"""Requests that have taken all their steps, until their final picture: what is decoded, and when.

The rules alone, without clock, thread or torch. Where the device allows it, pictures are decoded
beside the steps of others, one call after another. The rules are:

* A full call is lined up behind the one that runs, so that it begins at once after it and not when
  the next step ends. A call that is not full waits for more to be decoded with it.
* Requests that give way (`precedence`) are not lined up: theirs begin when no call runs, and one at
  a time where they could keep anybody waiting. Their call is ended when somebody comes to whom they
  give way, and their steps wait until that picture is decoded: two calls at once share the caches
  and memory of a machine, and each may take twice as long.
* Guesses are decoded when nothing else is wanted, and given up when something is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future

from .events import Batch
from .in_flight import InFlightRequest
from .latency_model import LatencyModel
from .precedence import Precedence, pressing, yields
from .runner import Decoded

Line = Sequence[InFlightRequest]


class DecodingQueue:
    """Requests without a final picture yet, and the calls beside that some of them are in.

    Attributes:
        requests: all of them, in the order in which they came.
    """

    def __init__(self, latency_model: LatencyModel, precedence: Precedence) -> None:
        self._latency_model = latency_model
        self._precedence = precedence
        self.requests: list[InFlightRequest] = []
        self._beside: deque[tuple[Batch, Future[Decoded]]] = deque()

    @property
    def runs_beside(self) -> bool:
        """Whether there is a call beside that has not been handed over."""
        return bool(self._beside)

    @property
    def computes(self) -> bool:
        """Whether the first call beside has still to end."""
        return bool(self._beside) and not self._beside[0][1].done()

    def add(self, request: InFlightRequest) -> None:
        """A request has taken all its steps."""
        self.requests.append(request)

    def remove(self, request: InFlightRequest) -> None:
        """A request leaves, if it is here."""
        if request in self.requests:
            self.requests.remove(request)

    def begun(self, batch: Batch, decoding: Future[Decoded]) -> None:
        """A batch is being decoded beside the steps, or is lined up for it."""
        self._beside.append((batch, decoding))

    def ended(self) -> Iterator[tuple[Batch, Future[Decoded]]]:
        """The calls beside that have ended, each once, in order."""
        while self._beside and self._beside[0][1].done():
            yield self._beside.popleft()

    def next_batch(self, line: Line) -> Batch:
        """What to decode now; nothing where it is better to wait.

        Args:
            line: all requests that have steps to take.
        """
        waiting = self._waiting(line)
        if not waiting:
            return []
        size = waiting[0].size
        together = self._latency_model.cap("decoder", size)
        batch = [request for request in waiting if request.size == size][:together]
        if gives_way(batch, line):
            batch = batch[:1]
        later = batch[0].work.ahead or batch[0].work.yields
        if self._beside and (len(batch) < together or later):
            return []
        return [] if self._precedence.holds(batch, line) else batch

    def holds_back(self, batch: Iterable[InFlightRequest]) -> bool:
        """Whether a step waits for a picture that is being decoded beside."""
        decoding = [r for each, call in self._beside if not call.done() for r in alive(each)]
        wanted = [request for request in decoding if not request.work.ahead]
        return self._precedence.holds(list(batch), wanted)

    def disturbs(self, request: InFlightRequest) -> bool:
        """Whether what is decoded beside gives way to a request that has come."""
        calls = [batch for batch, call in tuple(self._beside) if not call.done()]
        return any(self._precedence.holds(batch, (request,)) for batch in calls)

    def is_in_vain(self, line: Line) -> bool:
        """Whether the running call is for nobody, or for guesses while something is wanted.

        Such calls that have not begun are cancelled.
        """
        vain = False
        for batch, call in self._beside:
            guesses = all(request.work.ahead for request in alive(batch))
            wanted = line or any(not r.work.ahead for r in alive(self.requests))
            if guesses and (wanted or not alive(batch)):
                vain |= not (call.done() or call.cancel())
        return vain

    def _waiting(self, line: Line) -> Batch:
        """What is wanted and in no call, or guesses where nothing else is."""
        begun = {request for batch, _ in self._beside for request in batch}
        waiting = [request for request in alive(self.requests) if request not in begun]
        wanted = [request for request in waiting if not request.work.ahead]
        return pressing(wanted) or wanted or ([] if line else waiting)


def alive(batch: Iterable[InFlightRequest]) -> list[InFlightRequest]:
    """Those of a batch that are still wanted."""
    return [request for request in batch if not (request.done or request.dropped)]


def gives_way(batch: Batch, line: Line) -> bool:
    """Whether somebody is waiting to whom the whole batch gives way."""
    return yields(batch) and bool(pressing(line))
