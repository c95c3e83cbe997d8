"""A crowd of typists at simulated GPUs, and what they waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...engine.base import Engine
from ...engine.latency_model import Size
from ...engine.session import LiveSession
from ...schemas import GenerationRequest
from ...settings import Settings
from ..score import KeyPress, Picture, Round, Trace, score
from ..typists import Typist, typist
from .device_model import DeviceModel
from .engine import SimulatedEngine
from .replicas import Deaths, Replicas
from .virtual_loop import run_virtual


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one simulation."""

    traces: tuple[Trace, ...]  # by user
    gpus: tuple[SimulatedEngine, ...]  # those that have died and their successors, too
    moved: int = 0  # requests that a dead one had, begun once more

    @property
    def round(self) -> Round:
        """As `score` takes it."""
        return Round(self.traces, sum(gpu.tally.steps for gpu in self.gpus))


def typists(users: int, seconds: float, visit: int = 0) -> list[Typist]:
    """The typists of `bench many`."""
    return [typist(number, visit, seconds) for number in range(users)]


def simulate(
    model: DeviceModel,
    typing: Sequence[Typist],
    gpus: int,
    steps: Sequence[int] = (4,),
    settings: Settings | None = None,
    deaths: Deaths | None = None,
) -> Outcome:
    """Lets everybody type until they have their last picture.

    Without deaths, a session stays with one GPU, so that its pictures stay in that one's memory; a
    new one goes to the GPU with the fewest.

    Args:
        steps: step counts, which the users take in turn.
        settings: of the live sessions; the defaults when absent.
        deaths: GPUs are a cluster's replicas, of which some die; it shares out the work.
    """
    if deaths is not None:
        return run_virtual(_at_replicas(model, typing, gpus, steps, settings, deaths))

    async def everybody() -> Outcome:
        engines = tuple(SimulatedEngine(model) for _ in range(gpus))
        users = []
        for number, each in enumerate(typing):
            # Round robin is the fewest first, as nobody leaves; but it would give everybody of one
            # step count the same GPU.
            engine = min(engines, key=lambda engine: engine.sessions)
            engine.sessions += 1
            count = steps[number % len(steps)]
            users.append(type_at(engine, settings or Settings(), each, count, model.size))
        return Outcome(tuple(await asyncio.gather(*users)), engines)

    return run_virtual(everybody())


async def _at_replicas(
    model: DeviceModel,
    typing: Sequence[Typist],
    gpus: int,
    steps: Sequence[int],
    settings: Settings | None,
    deaths: Deaths,
) -> Outcome:
    replicas = Replicas(model, gpus)
    suffering = asyncio.create_task(replicas.suffer(deaths))
    users = [
        type_at(
            replicas.engine, settings or Settings(), each, steps[number % len(steps)], model.size
        )
        for number, each in enumerate(typing)
    ]
    traces = await asyncio.gather(*users)
    suffering.cancel()
    await asyncio.gather(suffering, return_exceptions=True)
    return Outcome(tuple(traces), tuple(replicas.all), replicas.moved())


async def type_at(
    engine: Engine,
    settings: Settings,
    typing: Typist,
    num_inference_steps: int,
    size: Size,
    patience: float | None = None,
    open_session: Callable[[Engine, Settings], LiveSession] = LiveSession,
) -> Trace:
    """Types every key when it is due, and reads until the finished picture of the last one.

    Args:
        patience: seconds after the last key; None: for ever.
        open_session: makes the typist's session.
    """
    loop, trace, keys = asyncio.get_running_loop(), Trace(), typing.keys
    session, begun = open_session(engine, settings), loop.time()

    def press(number: int) -> None:
        key, now = keys[number], loop.time() - begun
        trace.presses.append(KeyPress(key.at, key.waits, now))
        request = GenerationRequest(key.text, "", num_inference_steps, 0.0, typing.seed, *size)
        session.submit(number, request)
        if number + 1 < len(keys):
            loop.call_at(begun + keys[number + 1].at, press, number + 1)

    async def read() -> None:
        async for event in session.events():
            if (frame := event.frame) is not None:
                steps = frame.request.num_inference_steps
                at = loop.time() - begun
                trace.pictures.append(Picture(at, event.sequence, frame.step, steps, frame.final))
            if event.sequence == len(keys) - 1 and (frame is None or frame.final):
                return

    loop.call_at(begun + keys[0].at, press, 0)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(read(), None if patience is None else keys[-1].at + patience)
    trace.ended = loop.time() - begun
    await session.aclose()
    return trace


def figures(outcome: Outcome, gpus: int | None = None) -> dict[str, Any]:
    """The figures of one simulation, named as `bench many` names them.

    Args:
        gpus: that were there at the same time; all that have been when absent.
    """
    tallies = [gpu.tally for gpu in outcome.gpus]
    steps, calls = sum(t.steps for t in tallies), sum(t.calls for t in tallies)
    gpus = gpus or len(tallies)
    seconds = gpus * max(trace.ended for trace in outcome.traces)
    return {
        "gpus": gpus,
        **score([outcome.round]),
        "moved": outcome.moved,
        "rows_per_step": round(steps / calls, 2) if calls else None,
        "utilisation": round(sum(t.busy for t in tallies) / seconds, 3),
    }
