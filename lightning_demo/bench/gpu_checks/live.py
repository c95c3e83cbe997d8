"""Checks of the running engine: how long people wait while it gets faster, and afterwards."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

from ...engine.base import Work
from ...engine.build import about
from ...engine.local import LocalEngine
from ...model.sampling.sampler import Sampler
from ...schemas import Frame
from ..bench_model import BenchModel, load_bench_model
from ..report import p50_p95
from .context import CheckContext

PAUSE = 0.25  # seconds between two pictures: somebody types, slowly enough for idle moments
MOST_SECONDS = 40.0  # of asking while it gets faster
SETTLED = 12  # pictures afterwards
TYPISTS = 8  # at the same time, at the end


def live(context: CheckContext) -> dict[str, Any]:
    """First paint and finished picture, ms, and the longest of each, while calls are recorded."""
    made = load_bench_model(context.weights, context.device.type)
    speed = context.speed(compiled=False)
    return asyncio.run(_type(made, Sampler(made.components, speed), context.small))


async def _type(made: BenchModel, sampler: Sampler, small: bool) -> dict[str, Any]:
    spec = made.components.spec
    engine = LocalEngine(lambda report: sampler, about(spec), idle_seconds=PAUSE / 5)
    try:
        while engine.status().state == "loading":  # noqa: ASYNC110 - an engine has no event for it
            await asyncio.sleep(0.01)
        begun, faster = time.monotonic(), []
        while time.monotonic() < begun + MOST_SECONDS:
            faster.append(await _ask(engine, made))
            await asyncio.sleep(PAUSE)
            if "getting faster" not in engine.status().tier:
                break
        seconds = time.monotonic() - begun
        settled = [await _ask(engine, made) for _ in range(2 if small else SETTLED)]
        people, pictures = (2, 1) if small else (TYPISTS, 6)
        begun = time.monotonic()
        await asyncio.gather(*(_ask_several(engine, made, pictures) for _ in range(people)))
        rate = people * pictures / (time.monotonic() - begun)
        return {
            "typists": people,
            "typists_pictures_per_second": round(rate, 2),
            "tier": engine.status().tier,
            "getting_faster_seconds": round(seconds, 1),
            "while_it_gets_faster": _figures(faster),
            "settled": _figures(settled),
        }
    finally:
        await engine.aclose()


async def _ask(engine: LocalEngine, made: BenchModel) -> tuple[float, float]:
    """Milliseconds to the first pixels and to the finished picture of a new prompt."""
    begun, times = time.perf_counter(), []
    async with aclosing(engine.generate(Work(made.request(4)))) as values:
        async for value in values:
            if isinstance(value, Frame):
                times.append(1000 * (time.perf_counter() - begun))
    return times[0], times[-1]


async def _ask_several(engine: LocalEngine, made: BenchModel, pictures: int) -> None:
    for _ in range(pictures):
        await _ask(engine, made)


def _figures(pictures: list[tuple[float, float]]) -> dict[str, Any]:
    first, final = zip(*pictures, strict=True)
    return {
        "pictures": len(pictures),
        "first_paint_ms": {**p50_p95(first), "max": round(max(first), 1)},
        "final_ms": {**p50_p95(final), "max": round(max(final), 1)},
    }
