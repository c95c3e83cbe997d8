"""Simulates one number of users on one number of GPUs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...schemas import GenerationRequest
from ...settings import Settings
from ..many_score import jain
from ..report import percentile
from ..typists import Typist, typist
from .device_model import DeviceModel
from .engine import SimulatedEngine
from .record import Record
from .virtual_loop import run_virtual
from .visit import visit


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one simulation."""

    seconds: float  # until the last user had their last picture
    records: tuple[Record, ...]  # by user
    gpus: tuple[SimulatedEngine, ...]


def typists(users: int, seconds: float) -> list[Typist]:
    """The typists of `bench many`, on their first visit."""
    return [typist(number, 0, seconds) for number in range(users)]


def simulate(
    model: DeviceModel,
    typing: Sequence[Typist],
    gpus: int,
    steps: Sequence[int] = (4,),
    settings: Settings | None = None,
) -> Outcome:
    """Lets everybody type until they have their last picture.

    A session stays with one GPU, so that its pictures stay in that one's memory; a new one goes to
    the GPU with the fewest.

    Args:
        steps: step counts, which the users take in turn.
        settings: of the live sessions; the defaults when absent.
    """
    return run_virtual(_simulate(model, typing, gpus, steps, settings or Settings()))


async def _simulate(
    model: DeviceModel,
    typing: Sequence[Typist],
    gpus: int,
    steps: Sequence[int],
    settings: Settings,
) -> Outcome:
    engines = tuple(SimulatedEngine(model) for _ in range(gpus))
    visits = []
    for number, each in enumerate(typing):
        count = steps[number % len(steps)]
        request = GenerationRequest("", "", count, 0.0, each.seed, *model.size)
        # Round robin is the fewest first, as nobody leaves; but it would give everybody of one
        # step count the same GPU.
        engine = min(engines, key=lambda engine: engine.sessions)
        engine.sessions += 1
        visits.append(visit(engine, settings, request, each, begun=0.0))
    records = await asyncio.gather(*visits)
    return Outcome(asyncio.get_running_loop().time(), tuple(records), engines)


def figures(outcome: Outcome) -> dict[str, Any]:
    """The figures of one simulation, named as `bench many` names them."""
    works = [gpu.tally for gpu in outcome.gpus]
    steps, calls = sum(w.steps for w in works), sum(w.calls for w in works)
    return {
        "users": len(outcome.records),
        "gpus": len(works),
        **felt(outcome.records),
        "pictures_per_second": round(sum(r.pictures for r in outcome.records) / outcome.seconds, 2),
        "finals_per_second": round(sum(w.finals for w in works) / outcome.seconds, 2),
        "steps": steps,
        "wasted_steps": steps - sum(w.useful for w in works),
        "rows_per_step": round(steps / calls, 2) if calls else None,
        "utilisation": round(sum(w.busy for w in works) / len(works) / outcome.seconds, 3),
    }


def felt(records: Sequence[Record]) -> dict[str, Any]:
    """What the users waited for, in milliseconds."""
    waits = [1000 * wait for record in records for wait in record.waits]
    paints = [1000 * wait for record in records for wait in record.first_paints]
    return {
        "last_key_to_final_ms": _spread(waits),
        "first_paint_ms": _spread(paints),
        "fairness": round(jain([record.rate for record in records]), 3),
        "waits": len(waits),
        "lost_finals": sum(record.lost for record in records),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(percentile(values, share), 2) for name, share in shares.items()}
