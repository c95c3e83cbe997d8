"""Simulated GPUs as the replicas of a cluster, some of which die and are replaced.

Which one gets a request, and what becomes of what a dead one has begun, the real `FailoverEngine`
decides.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...engine.attempt import Place
from ...engine.awaited import AwaitedEngine
from ...engine.choice import Balanced
from ...engine.failover import FailoverEngine
from ...engine.metrics import Metrics
from ...errors import EngineUnavailable
from .device_model import DeviceModel
from .engine import SimulatedEngine

GONE = "The replica is gone."


class MortalEngine(SimulatedEngine):
    """One that may die."""

    def die(self) -> None:
        """Whoever reads learns it at once, as by a connection that breaks."""
        self._status = replace(self._status, state="failed", detail=GONE)
        if self._serving is not None:
            self._serving.cancel()
        for reader in self._readers.values():
            reader.end(EngineUnavailable(GONE))


@dataclass(frozen=True, slots=True)
class Deaths:
    """How many die, when, and for how long there is one less."""

    number: int
    replaced_after: float  # seconds, in which a new one starts and loads the model
    within: float  # seconds from the start, in which they die at moments that follow from a seed
    seed: int = 0

    def moments(self) -> Sequence[float]:
        """When somebody dies, in order."""
        rng = random.Random(self.seed)  # noqa: S311
        return sorted(rng.uniform(0, self.within) for _ in range(self.number))


class Replicas:
    """A cluster of simulated GPUs. Belongs to one event loop."""

    def __init__(self, model: DeviceModel, gpus: int) -> None:
        self._model = model
        self.all: list[MortalEngine] = []  # that have been there, dead ones too
        self.metrics = Metrics()
        awaited = AwaitedEngine(SimulatedEngine(model).status())
        self._nobody = Place("nobody", awaited, here=True)
        self._alive = [self._new() for _ in range(gpus)]
        self.engine = FailoverEngine([*self._alive, self._nobody], self.metrics, Balanced())

    async def suffer(self, deaths: Deaths) -> None:
        """Lets replicas die and come, until the last has come."""
        rng, loop = random.Random(deaths.seed + 1), asyncio.get_running_loop()  # noqa: S311
        begun, coming = loop.time(), []
        for moment in deaths.moments():
            await asyncio.sleep(max(0.0, begun + moment - loop.time()))
            if self._alive:
                place = self._alive.pop(rng.randrange(len(self._alive)))
                self._tell()
                self._engine(place).die()
                coming.append(asyncio.create_task(self._replace(deaths.replaced_after)))
        await asyncio.gather(*coming)

    def moved(self) -> int:
        """Requests that were begun once more."""
        found = self.metrics.registry.get_sample_value("lightning_moved_total", {"why": "gone"})
        return int(found or 0)

    async def _replace(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._alive.append(self._new())
        self._tell()

    def _new(self) -> Place:
        engine = MortalEngine(self._model)
        self.all.append(engine)
        return Place(f"replica {len(self.all)}", engine, here=True)

    def _tell(self) -> None:
        self.engine.places = [*self._alive, self._nobody]

    def _engine(self, place: Place) -> MortalEngine:
        assert isinstance(place.engine, MortalEngine)  # noqa: S101
        return place.engine
