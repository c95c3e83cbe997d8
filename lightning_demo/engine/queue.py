"""Which requests take the next step together: the rules alone, without clock, thread or torch.

The core asks before every step. The rules are:

* Rows share a UNet call when they share weights (so, step count) and size; a long prompt shares it
  with others of as many chunks, which are known once it has been encoded. As many share one as
  `LatencyModel.cap` finds worthwhile; they join and leave at any step.
* Within such a group started requests are finished first, then whoever has waited longest is next:
  taking turns step by step would make everybody as late as the last.
* Requests of one client take turns: its second stands behind the first of everybody else, started
  or not, and so does its first right after a step of its own, in its group and among groups. Device
  time that any of them uses makes those that wait younger. So a client that asks for a thousand at
  once delays others by no more than the step that is running, and slows only itself; nor is it
  shut out by somebody who types without pause.
* Between groups, the device time that a request has used makes it that much younger (start-time
  fair queueing, Goyal et al., SIGCOMM 1996): groups alternate, nobody starves, and an 8-step
  picture is no slower for the 1-step pictures that came after it had its share.
* A request of somebody who has stopped typing counts as `in_flight.PAUSED` older: that picture is
  looked at, while people who type on are shown another in a moment. In a crowd of 64 it halves the
  wait after the last key (`bench simulate`), and pictures while typing come as often as before.
* A draft is for somebody who types on: it lets finished pictures go first, but not for so long that
  it would be missed (`in_flight.DRAFT_PATIENCE`).
* A group whose weights are not on the device waits a little longer for its turn, so that bringing
  weights is never most of the work.
* Requests that give way (`precedence`) get little while anything else is wanted.
* Guesses get the steps in which nothing at all is wanted.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import TypeAlias

from .base import Forecast
from .in_flight import Group, InFlightRequest
from .latency_model import LatencyModel
from .precedence import Precedence, pressing, yields

LOADING = 5.0  # times the seconds of loading weights that another group goes on before it

Loading = Callable[[int], float]  # step count -> seconds; 0 when its UNet is on the device
Line: TypeAlias = tuple[InFlightRequest, ...]
Ranks: TypeAlias = dict[InFlightRequest, int]  # places behind the first of its client; 0 left out


class RequestQueue:
    """Every request that waits or is being painted.

    Other threads may add, drop and ask while a step runs: every change sets or removes one key of a
    dict, and every look is at a copy.
    """

    def __init__(self, latency_model: LatencyModel) -> None:
        self.latency_model = latency_model
        self.loading: Loading = lambda num_inference_steps: 0.0
        self.resident: Callable[[int], bool] = lambda num_inference_steps: True
        # Dicts as ordered sets, from which a request leaves in no time: the work for each step is
        # linear in the queue, and takes less than a millisecond for a thousand requests.
        self._requests: dict[InFlightRequest, None] = {}
        self._waiting: dict[InFlightRequest, None] = {}  # those of them that are in line
        self._guesses: dict[InFlightRequest, None] = {}  # nobody wants these yet
        self._last: frozenset[Hashable] = frozenset()  # clients that had the last step
        self.precedence = Precedence()

    @property
    def line(self) -> Line:
        """All that are wanted, in the order of arrival."""
        return tuple(self._requests)

    @property
    def guesses(self) -> Line:
        """All that nobody wants yet, in the order of arrival."""
        return tuple(self._guesses)

    @property
    def waiting(self) -> int:
        """Requests that have not started and that somebody still wants."""
        return len(self._waiting)

    @property
    def yielding(self) -> int:
        """Those of them that give way to all others."""
        return sum(request.work.yields for request in tuple(self._waiting))

    def add(self, request: InFlightRequest) -> None:
        """A request joins, or is wanted from now on, or no longer wanted."""
        if request.work.ahead:
            self._guesses[request] = None
            self._requests.pop(request, None)
            self._waiting.pop(request, None)
            return
        # Before `_requests`: once it is in there, another thread may start or drop it.
        if not request.started:
            self._waiting[request] = None
        self._requests[request] = None
        self._guesses.pop(request, None)

    def start(self, request: InFlightRequest) -> None:
        """A request no longer waits: its first step is next."""
        request.started = True
        self._waiting.pop(request, None)

    def drop(self, request: InFlightRequest) -> None:
        """Nobody wants a request any more; it still has to be removed."""
        request.dropped = True
        self._waiting.pop(request, None)

    def remove(self, request: InFlightRequest) -> None:
        """A request leaves, if it is here."""
        self._guesses.pop(request, None)
        self._requests.pop(request, None)
        self._waiting.pop(request, None)

    def next_batch(self) -> list[InFlightRequest]:
        """The requests that take a step now, in one UNet call; none when there are none.

        A guess only where nothing is wanted and its weights are on the device, and alone: whoever
        comes waits for one row at most.
        """
        line = self.line
        if not line:
            ready = (r for r in self.guesses if self.resident(r.group[0]))
            return list(itertools.islice(ready, 1))
        able = self.precedence.turn(line)
        ranks = _ranks(able, self._last)
        groups: dict[Group, list[InFlightRequest]] = defaultdict(list)
        for request in able:
            groups[request.group].append(request)
        chosen = next(iter(groups.values()))
        if len(groups) > 1:
            chosen = min(groups.values(), key=lambda group: self._turn(group, ranks))
            if self.loading(chosen[0].group[0]):  # that is not worth bringing weights at each step
                plain = _ranks(able)
                chosen = min(groups.values(), key=lambda group: self._turn(group, plain))
        return self._fill(chosen, ranks)

    def crowded(self, batch: Sequence[InFlightRequest]) -> bool:
        """Whether others wait for what a batch takes; those that give way to it do not count."""
        line = self.line
        return len(line if yields(batch) else pressing(line)) > len(batch)

    def charge(self, batch: Sequence[InFlightRequest], seconds: float) -> None:
        """A batch has used the device for this long."""
        self.precedence.stepped(batch, seconds)
        clients = set()
        for request in batch:
            request.served += seconds
            clients.add(request.work.client)
        clients.discard(None)
        self._last = frozenset(clients)
        for request in self.line if clients else ():
            if not request.started and request.work.client in clients:
                request.served += seconds

    def forecast(self, request: InFlightRequest) -> Forecast:
        """How a request will fare, whether it is in the queue or would come last.

        An estimate: nobody leaves, and who is in another group has an equal share of the device.
        """
        if request.started:
            return Forecast(0, 0.0, self._work(request, request.rows))
        line = tuple(other for other in self.line if not other.dropped)
        before = _before(request, line if request in line else (*line, request))
        same = _alike(other for other in before if other.group == request.group)
        others = _alike(other for other in before if other.group != request.group)
        cap = self.latency_model.cap("step", request.size)
        rows = sum(other.rows * count for other, count in same)
        work = self._work(request, min(cap, rows + request.rows))
        wait = 0.0
        if rows + request.rows > cap:
            wait = sum(self._device_seconds(other, cap) * count for other, count in same)
        elsewhere = sum(
            self._device_seconds(other, self.latency_model.cap("step", other.size)) * count
            for other, count in others
        )
        ahead = sum(not other.started for other in before)
        return Forecast(ahead, wait + min(elsewhere, wait + work), work)

    def _turn(self, group: list[InFlightRequest], ranks: Ranks) -> tuple[int, float, int]:
        """Sorts groups by when their turn is: that of whoever has the best claim in it."""
        rank, virtual, order = min((ranks.get(r, 0), r.due + r.served, r.order) for r in group)
        steps = group[0].work.request.num_inference_steps
        return rank, virtual + LOADING * self.loading(steps), order

    def _fill(self, group: list[InFlightRequest], ranks: Ranks) -> list[InFlightRequest]:
        """The first of a group, as many as may share a call, and always one."""
        cap = self.latency_model.cap("step", group[0].size)
        heap = [(*_claim(r, ranks), r) for r in group]
        heapq.heapify(heap)  # few are taken, so there is no need to sort all
        first = heapq.heappop(heap)[-1]
        batch, rows = [first], first.rows
        while heap and rows < cap:
            request = heapq.heappop(heap)[-1]
            if rows + request.rows <= cap:
                batch.append(request)
                rows += request.rows
        return batch

    def _work(self, request: InFlightRequest, rows: int) -> float:
        """Seconds from its next step to its picture, when this many rows share each step.

        With those until its weights are on the device, where others are.
        """
        step = self._step(request, rows)
        decode = self.latency_model.seconds(request.decoder, request.size, 1)
        steps = request.work.request.num_inference_steps
        loading = 0.0 if request.started else self.loading(steps)
        return loading + request.steps_left * step + decode

    def _step(self, request: InFlightRequest, rows: int) -> float:
        """Seconds of one of its steps."""
        return self.latency_model.seconds("step", request.size, rows, chunks=request.chunks)

    def _device_seconds(self, request: InFlightRequest, rows: int) -> float:
        """Its part of the device's time, when its steps are shared by this many rows."""
        step = self._step(request, rows)
        share = step * request.rows / max(rows, request.rows)
        decode = self.latency_model.seconds(request.decoder, request.size, 1)
        return request.steps_left * share + decode


def _before(request: InFlightRequest, line: Line) -> list[InFlightRequest]:
    """Those that are being painted or stand before a request of this line."""
    ranks = _ranks(line)
    mine = request.work.yields, _claim(request, ranks)
    return [
        other
        for other in line
        if other is not request and (other.work.yields, _claim(other, ranks)) < mine
    ]


def _claim(request: InFlightRequest, ranks: Ranks) -> tuple[int, bool, float, int]:
    """Sorts the requests of a group by whose turn it is."""
    return ranks.get(request, 0), not request.started, request.age, request.order


def _ranks(line: Sequence[InFlightRequest], last: Collection[Hashable] = ()) -> Ranks:
    """How many requests of its own client stand before each; absent: none.

    Args:
        last: clients that had the last step: those with several requests stand one place behind.
    """
    counts = Counter(r.work.client for r in line if r.work.client is not None)
    ranks: Ranks = {}
    if len(counts) == counts.total():
        return ranks
    several = [request for request in line if counts[request.work.client] > 1]
    met: dict[Hashable, int] = defaultdict(int)
    for request in sorted(several, key=lambda r: (not r.started, r.since, r.order)):
        if rank := met[request.work.client] + (request.work.client in last):
            ranks[request] = rank
        met[request.work.client] += 1
    return ranks


def _alike(line: Iterable[InFlightRequest]) -> list[tuple[InFlightRequest, int]]:
    """One request for all that cost the same, and how many these are."""
    kinds: dict[Hashable, list[InFlightRequest]] = defaultdict(list)
    for request in line:
        size, chunks, left = request.size, request.chunks, request.steps_left
        kinds[size, chunks, left, request.rows, request.work.draft].append(request)
    return [(each[0], len(each)) for each in kinds.values()]
