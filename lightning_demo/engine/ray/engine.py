"""The replicas of a cluster as one engine, as many as there are at any moment."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass

from ...errors import InvalidSetting
from ...schemas import EngineStatus
from ..attempt import Place
from ..awaited import AwaitedEngine
from ..choice import Balanced
from ..failover import FailoverEngine
from ..metrics import Metrics
from ..remote import RemoteEngine
from ..replica_figures import Known, ReplicaFigures
from .cluster import Cluster, Seen
from .registry import Plan, Record

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5  # between two looks at who is there
STATUS_SECONDS = 2.0  # between two looks at how many there should be
LEAVING_SECONDS = 30.0  # that a replica that ends may take for what it has begun
CLOSE_SECONDS = 10.0


@dataclass(eq=False)
class _Member:
    """One replica, and the way to it."""

    record: Record
    engine: RemoteEngine
    place: Place
    leaves: float | None = None  # until when it may finish what it has; None: it stays


class RayEngine(FailoverEngine):
    """Sends each request to the replica that has least to do, a session to its own."""

    def __init__(
        self, cluster: Cluster, plan: Plan, expected: EngineStatus, metrics: Metrics | None = None
    ) -> None:
        """Starts a thread that looks who is there.

        Args:
            plan: what has been deployed.
            expected: the model, and what it is painted with.
        """
        self._cluster, self._plan, self._expected = cluster, plan, expected
        self._metrics = metrics or Metrics()
        self._members: dict[str, _Member] = {}
        self._awaited = AwaitedEngine(expected)
        self._nobody = Place("The cluster", self._awaited, here=True)
        self._seen = Seen(1)
        self._asked_at = 0.0
        self._stop = threading.Event()
        super().__init__([self._nobody], self._metrics, Balanced())
        self._metrics.registry.register(ReplicaFigures(self._known))
        self._looker = threading.Thread(target=self._look_often, name="replicas", daemon=True)
        self._looker.start()

    @property
    def replicas(self) -> list[Record]:
        """Who paints now."""
        return [member.record for member in tuple(self._members.values()) if member.leaves is None]

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._closed = True
        self._stop.set()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._looker.join, CLOSE_SECONDS)
        members = list(self._members.values())
        await asyncio.gather(
            self._awaited.aclose(), *(member.engine.aclose() for member in members)
        )
        await loop.run_in_executor(None, self._cluster.close)

    def _known(self) -> list[Known]:
        key = self._plan.key
        return [
            Known((m.record.name, m.record.node), m.record.url, key, m.place)
            for m in tuple(self._members.values())
        ]

    # On the thread --------------------------------------------------------------------------

    def _look_often(self) -> None:
        well = True
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self._look()
                well = True
            except Exception as error:  # the cluster's, which may be away for a while
                if well:
                    log.warning("the cluster does not say who paints: %s", error)
                well = False

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._asked_at >= STATUS_SECONDS:
            self._asked_at = now
            self._seen = self._cluster.seen()
        records, self._plan = self._cluster.look(self._plan)
        there = {record.name: record for record in records if not record.draining}
        for name, record in there.items():
            if name in self._members:
                self._members[name].leaves = None  # it had only said nothing for a while
            else:
                self._join(record)
        for name, member in list(self._members.items()):
            if name not in there:
                self._let_go(member, now)
        staying = [m.place for m in self._members.values() if m.leaves is None]
        missing = max(0, self._seen.wanted - len(staying))
        self._awaited.tell(missing, "" if staying else self._seen.problem)
        if [*staying, self._nobody] != list(self.places):
            self.places = [*staying, self._nobody]
            log.info("%d of %d engines are there", len(staying), len(staying) + missing)

    def _join(self, record: Record) -> None:
        try:
            engine = RemoteEngine(
                record.url,
                self._expected,
                self._plan.key,
                metrics=self._metrics,
                poll_seconds=LOOK_SECONDS,
                here=True,
            )
        except InvalidSetting as error:
            log.error("%s: %s", record.name, error)
            return
        title = f"Engine {record.name} on {record.node}"
        place = Place(title, engine, here=True, label=record.name)
        self._members[record.name] = _Member(record, engine, place)

    def _let_go(self, member: _Member, now: float) -> None:
        """It gets nothing new, and is closed when it has nothing left."""
        if member.leaves is None:
            member.leaves = now + LEAVING_SECONDS
        if now >= member.leaves or not member.engine.busy:
            del self._members[member.record.name]
            asyncio.run(member.engine.aclose())
