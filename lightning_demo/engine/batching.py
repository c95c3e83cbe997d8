"""Which requests take the next step together: the rules alone, without clock, thread or torch.

The local engine asks before every step; the simulator runs the very same rules. They are:

* Rows share a UNet call when they share weights (so, step count) and size. As many share one as
  `Costs.cap` finds worthwhile; they join and leave at any step.
* Within such a group who has waited longest is first, and who has started is finished first:
  taking turns step by step would make everybody as late as the last.
* Between groups, the device time that a request has used makes it that much younger (start-time
  fair queueing, Goyal et al., SIGCOMM 1996): groups alternate, nobody starves, and an 8-step
  picture is no slower for the 1-step pictures that came after it had its share.
* A draft, for somebody who types on, lets pictures go first that somebody waits for, but not for
  longer than a person takes to miss it.
* Weights that would have to be brought to the device first wait a little for their turn, so that
  bringing them is never most of the work.
* Requests of one client take turns: its second stands behind the first of everybody else, and the
  device time that any of them uses makes those that wait younger, so that a flood slows itself.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from .base import Forecast
from .costs import Costs, Kind, Size

BRINGING = 5.0  # times the seconds of bringing weights that another group goes on before it

DRAFT_PATIENCE = 0.3  # seconds that a draft counts as younger than it is

Item = TypeVar("Item")
Bringing = Callable[[int], float]  # step count -> seconds; 0 when its UNet is there
Group = tuple[int, Size]  # step count (so, weights) and size
_order = itertools.count()


@dataclass(slots=True, eq=False)
class Entry(Generic[Item]):
    """One request on its way, as far as the rules need to know."""

    item: Item
    weights: int  # the step count whose UNet paints it
    size: Size  # (width, height) that it is painted at, px
    steps: int  # still to take
    since: float  # when its session began to wait, seconds of any clock
    rows: int = 1  # of the UNet; 2 with guidance
    client: Hashable = None  # None: a client of its own
    draft: bool = False  # ends with the preview decoder
    started: bool = False
    served: float = 0.0  # device seconds it has used, or its client while it waits; shared in full
    order: int = field(default_factory=lambda: next(_order))

    @property
    def group(self) -> Group:
        """What requests must have in common to share a UNet call."""
        return self.weights, self.size

    @property
    def due(self) -> float:
        """When its turn is due: a draft's later than its waiting began."""
        return self.since + DRAFT_PATIENCE if self.draft else self.since

    @property
    def age(self) -> float:
        """When its turn is due, later by what its client has had while it waited."""
        return self.due if self.started else self.due + self.served

    @property
    def decoder(self) -> Kind:
        """The kind of call that makes its final picture."""
        return "preview" if self.draft else "decoder"


Ranks: TypeAlias = "dict[Entry[Item], int]"  # places behind the first of its client; 0 left out


class Batcher(Generic[Item]):
    """Every request that is waiting or being painted. Not safe for several threads."""

    def __init__(self, costs: Costs, bringing: Bringing = lambda num_inference_steps: 0.0) -> None:
        """
        Args:
            bringing: how long the UNet of a step count would take to the device.
        """
        self.costs = costs
        self.bringing = bringing
        # A dict for its order and for leaving at once: all that is done for each step is then in
        # proportion to the line, and less than a millisecond for a thousand requests.
        self._entries: dict[Entry[Item], None] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry[Item]]:
        return iter(self._entries)

    @property
    def waiting(self) -> int:
        """Requests that have not started."""
        return sum(not entry.started for entry in self._entries)

    def add(self, entry: Entry[Item]) -> None:
        """A request joins the line."""
        self._entries[entry] = None

    def remove(self, entry: Entry[Item]) -> None:
        """A request leaves, if it is here."""
        self._entries.pop(entry, None)

    def keep(self, wanted: Callable[[Entry[Item]], bool]) -> list[Entry[Item]]:
        """Drops the entries that are not wanted any more, and returns them."""
        dropped = [entry for entry in self._entries if not wanted(entry)]
        for entry in dropped:
            del self._entries[entry]
        return dropped

    def next(self) -> list[Entry[Item]]:
        """The requests that take a step now, in one UNet call; none when there are none."""
        if not self._entries:
            return []
        ranks = _ranks(self._entries)
        groups: dict[Group, list[Entry[Item]]] = defaultdict(list)
        for entry in self._entries:
            groups[entry.weights, entry.size].append(entry)
        chosen = next(iter(groups.values()))
        if len(groups) > 1:
            chosen = groups[min(groups, key=lambda group: self._turn(groups[group], ranks))]
        return self._fill(chosen, ranks)

    def took(self, batch: Iterable[Entry[Item]], seconds: float) -> None:
        """A batch has taken its step, which took this long."""
        clients = set()
        for entry in batch:
            entry.steps -= 1
            entry.served += seconds
            clients.add(entry.client)
        clients.discard(None)
        for entry in self._entries if clients else ():
            if not entry.started and entry.client in clients:
                entry.served += seconds

    def forecast(self, entry: Entry[Item]) -> Forecast:
        """How the entry will fare, whether it is in the line or would come last.

        An estimate: nobody leaves, and who is in another group has an equal share of the device.
        """
        if entry.started:
            return Forecast(0, 0.0, self._work(entry, entry.rows))
        before = self._before(entry)
        line = _alike(other for other in before if other.group == entry.group)
        others = _alike(other for other in before if other.group != entry.group)
        cap = self.costs.cap("step", entry.size)
        rows = sum(other.rows * count for other, count in line)
        work = self._work(entry, min(cap, rows + entry.rows))
        wait = 0.0
        if rows + entry.rows > cap:
            wait = sum(self._device_seconds(other, cap) * count for other, count in line)
        elsewhere = sum(
            self._device_seconds(other, self.costs.cap("step", other.size)) * count
            for other, count in others
        )
        ahead = sum(not other.started for other in before)
        return Forecast(ahead, wait + min(elsewhere, wait + work), work)

    def _before(self, entry: Entry[Item]) -> list[Entry[Item]]:
        """Those that are painted already or stand before the entry."""
        ranks = _ranks(self._entries if entry in self._entries else [*self._entries, entry])
        mine = (ranks.get(entry, 0), entry.age, entry.order)
        return [
            other
            for other in self._entries
            if other is not entry
            and (other.started or (ranks.get(other, 0), other.age, other.order) < mine)
        ]

    def _turn(self, group: list[Entry[Item]], ranks: Ranks[Item]) -> tuple[int, float, int]:
        """Sorts groups by when their turn is: that of whoever has the best claim in it."""
        rank, virtual, order = min(
            (ranks.get(entry, 0), entry.due + entry.served, entry.order) for entry in group
        )
        return rank, virtual + BRINGING * self.bringing(group[0].weights), order

    def _fill(self, line: list[Entry[Item]], ranks: Ranks[Item]) -> list[Entry[Item]]:
        """The first of a group's line, as many as may share a call, and always one."""
        cap = self.costs.cap("step", line[0].size)
        heap = [(not e.started, ranks.get(e, 0), e.age, e.order, e) for e in line]
        heapq.heapify(heap)  # few are taken, so there is no need to sort all
        first = heapq.heappop(heap)[-1]
        batch, rows = [first], first.rows
        while heap and rows < cap:
            entry = heapq.heappop(heap)[-1]
            if rows + entry.rows <= cap:
                batch.append(entry)
                rows += entry.rows
        return batch

    def _work(self, entry: Entry[Item], rows: int) -> float:
        """Seconds from its next step to its picture, when this many rows share each step."""
        step = self.costs.seconds("step", entry.size, rows)
        return entry.steps * step + self.costs.seconds(entry.decoder, entry.size, 1)

    def _device_seconds(self, entry: Entry[Item], rows: int) -> float:
        """Its part of the device's time, when its steps are shared by this many rows."""
        share = self.costs.seconds("step", entry.size, rows) * entry.rows / max(rows, entry.rows)
        return entry.steps * share + self.costs.seconds(entry.decoder, entry.size, 1)


def shows_preview(step: int, *, draft: bool, crowded: bool) -> bool:
    """Whether a preview is worth its decoding after this many steps.

    While others wait only the first one of a picture is, and none of a draft, which is soon done.
    """
    return not crowded or (step == 1 and not draft)


def _ranks(entries: Iterable[Entry[Item]]) -> Ranks[Item]:
    """How many requests of its own client stand before each; those that are first are left out."""
    counts = Counter(entry.client for entry in entries if entry.client is not None)
    ranks: Ranks[Item] = {}
    if len(counts) == counts.total():
        return ranks
    several = [entry for entry in entries if counts[entry.client] > 1]
    met: dict[Hashable, int] = defaultdict(int)
    for entry in sorted(several, key=lambda e: (not e.started, e.since, e.order)):
        if met[entry.client]:
            ranks[entry] = met[entry.client]
        met[entry.client] += 1
    return ranks


def _alike(entries: Iterable[Entry[Item]]) -> Iterable[tuple[Entry[Item], int]]:
    """One entry for all that cost the same, and how many these are."""
    kinds: dict[Hashable, list[Entry[Item]]] = defaultdict(list)
    for entry in entries:
        kinds[entry.size, entry.steps, entry.rows, entry.draft].append(entry)
    return [(each[0], len(each)) for each in kinds.values()]
