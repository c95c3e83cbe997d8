"""The same typists at the real engine and at the simulated one, on this machine."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import Any

from ...engine.build import about
from ...engine.local import LocalEngine
from ...model.sampling.sampler import Sampler
from ...model.weights.checkpoints import MINIATURE
from ...settings import Settings
from ..score import PATIENCE, Round, score
from ..typists import Typist
from .crowd import simulate, type_at, typists
from .device_model import measured

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
    simulated = score([simulate(model, typing, 1, steps, settings).round])
    known = copy.deepcopy(model.latency_model)
    engine = LocalEngine(lambda report: sampler, about(MINIATURE), latency_model=known)
    real = score([asyncio.run(_type(engine, typing, steps, settings))])
    ratio = {
        f"{key}_{share}": round(real[key][share] / simulated[key][share], 2)
        for key in ("last_key_to_final_ms", "first_paint_ms")
        for share in ("p50", "p95")
        if simulated[key][share]
    }
    return {"users": users, "simulated": simulated, "measured": real, "ratio": ratio}


async def _type(
    engine: LocalEngine, typing: Sequence[Typist], steps: Sequence[int], settings: Settings
) -> Round:
    while engine.status().state == "loading":  # noqa: ASYNC110 - an engine has no event for it
        await asyncio.sleep(LOOK)
    size = MINIATURE.limits.sizes[0]
    try:
        everybody = (
            type_at(engine, settings, each, steps[number % len(steps)], size, PATIENCE)
            for number, each in enumerate(typing)
        )
        return Round(tuple(await asyncio.gather(*everybody)), None)
    finally:
        await engine.aclose()
