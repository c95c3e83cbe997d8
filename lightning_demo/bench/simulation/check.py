"""The same typists at the real engine and at the simulated one, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...engine.build import about
from ...engine.live import LiveSession
from ...engine.local import LocalEngine
from ...model.sampling.sampler import Sampler
from ...model.weights.checkpoints import MINIATURE
from ...schemas import GenerationRequest
from ...settings import Settings
from ..typists import Typist
from .cost_models import measured
from .record import Record
from .run import felt, simulate, typists

PATIENCE = 30.0  # seconds after the last key
LOOK = 0.01  # seconds between two looks at whether all is over


def check(
    sampler: Sampler, users: int, seconds: float, steps: Sequence[int], settings: Settings
) -> dict[str, Any]:
    """Types at the miniature for real, in this process, and at its simulation.

    Args:
        sampler: warm; its calls are measured first.

    Returns:
        `users`, what was waited for as `simulated` and `measured`, and `ratio`, measured over
        simulated, of the medians and the 95th percentiles.
    """
    model = measured(sampler)
    typing = typists(users, seconds)
    simulated = felt(simulate(model, typing, 1, steps, settings).records)
    engine = LocalEngine(lambda report: sampler, about(MINIATURE), costs=copy.deepcopy(model.costs))
    real = felt(asyncio.run(_type(engine, typing, steps, settings)))
    ratio = {
        f"{key}_{share}": round(real[key][share] / simulated[key][share], 2)
        for key in ("last_key_to_final_ms", "first_paint_ms")
        for share in ("p50", "p95")
        if simulated[key][share]
    }
    return {"users": users, "simulated": simulated, "measured": real, "ratio": ratio}


async def _type(
    engine: LocalEngine, typing: Sequence[Typist], steps: Sequence[int], settings: Settings
) -> list[Record]:
    """Everybody's waiting at a real engine."""
    size = MINIATURE.limits.sizes[0]
    while engine.status().state == "loading":  # noqa: ASYNC110 - an engine has no event for it
        await asyncio.sleep(LOOK)
    begun = time.perf_counter()
    try:
        return await asyncio.gather(
            *(
                _visit(
                    LiveSession(engine, settings),
                    GenerationRequest("", "", steps[number % len(steps)], 0.0, each.seed, *size),
                    each,
                    begun,
                )
                for number, each in enumerate(typing)
            )
        )
    finally:
        await engine.aclose()


async def _visit(
    session: LiveSession, like: GenerationRequest, typing: Typist, begun: float
) -> Record:
    record = Record()

    async def read() -> None:
        """Reads until the finished picture of the last key."""
        async for event in session.events():
            if event.frame is not None:
                now = time.perf_counter() - begun
                record.showed(event.sequence, now, event.frame.final)
                if event.frame.final and event.sequence == len(typing.keys) - 1:
                    return

    reading = asyncio.ensure_future(read())
    for number, key in enumerate(typing.keys):
        await asyncio.sleep(begun + key.at - time.perf_counter())
        record.pressed(number, key.at, key.waits)
        session.submit(number, replace(like, prompt=key.text))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), PATIENCE)
    await session.aclose()
    await reading
    return record
