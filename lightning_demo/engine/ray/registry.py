"""Who paints, by which address: a named actor of the cluster, asked by web processes.

Replicas say again and again that they are there, web processes that they look. Every call says
all there is to say, so that the actor may be started anew at any time. Imports Ray nowhere: it is
made an actor by whoever starts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

REPLICA_SECONDS = 6.0  # after which a replica that says nothing is forgotten
WEB_SECONDS = 15.0  # the same of a web process


@dataclass(frozen=True, slots=True)
class Record:
    """One replica, ready to paint."""

    name: str  # Serve's
    url: str
    node: str  # host name and address, for people
    pid: int
    deployment: str  # which one it belongs to: a rollout makes another
    draining: bool = False  # it finishes what it has, and takes nothing new


@dataclass(frozen=True, slots=True)
class Plan:
    """What has been deployed, as whoever deployed it says."""

    deployment: str  # drawn anew for each
    key: str  # that replicas ask for
    fingerprint: str  # of what they paint with
    version: str  # of the project
    settings: Mapping[str, str]  # variables, by which a rollout deploys the same again


class Registry:
    """The actor. All its methods take moments."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._plan: Plan | None = None
        self._records: dict[str, tuple[Record, float]] = {}  # and when it last said so
        self._webs: dict[str, float] = {}  # when each last looked

    async def offer(self, web: str, plan: Plan, *, instead: bool = False) -> Plan:
        """A web process would deploy this; what it shall go by: its own, or what is there.

        Args:
            instead: whether it replaces what is there, as a rollout does.
        """
        if instead or self._plan is None or not self._there():
            self._plan = plan
        if web:
            self._webs[web] = self._clock()
        return self._plan

    async def plan(self) -> Plan | None:
        """What has been deployed."""
        return self._plan

    async def announce(self, record: Record) -> None:
        """A replica is there, or still is."""
        self._records[record.name] = record, self._clock()

    async def leave(self, name: str) -> None:
        """A replica is gone."""
        self._records.pop(name, None)

    async def look(self, web: str, plan: Plan) -> tuple[list[Record], Plan]:
        """All replicas that have said so of late, and the plan that they belong to."""
        self._webs[web] = self._clock()
        if self._plan is None:  # this actor has been started anew
            self._plan = plan
        return await self.records(), self._plan

    async def records(self) -> list[Record]:
        """All replicas that have said so of late."""
        now = self._clock()
        self._records = {
            name: known for name, known in self._records.items() if now - known[1] < REPLICA_SECONDS
        }
        return [record for record, _ in self._records.values()]

    async def part(self, web: str) -> int:
        """A web process closes; how many others look."""
        self._webs.pop(web, None)
        return len(self._looking())

    def _looking(self) -> list[str]:
        now = self._clock()
        return [web for web, at in self._webs.items() if now - at < WEB_SECONDS]

    def _there(self) -> bool:
        """Whether anybody paints or looks."""
        now = self._clock()
        painting = any(now - at < REPLICA_SECONDS for _, at in self._records.values())
        return painting or bool(self._looking())
