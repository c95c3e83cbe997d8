"""Checks of the running engine: how long people wait while it gets faster, and afterwards."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from ...engine.base import Work
from ...engine.build import about
from ...engine.local import LocalEngine
from ...images import encode_jpeg
from ...model.compile.speed import Speed
from ...model.sampling.sampler import Sampler
from ...schemas import GETTING_FASTER, Frame
from ..bench_model import BenchModel, load_bench_model, picture
from ..report import p50_p95
from ..timing import Call, Clock, traced
from .context import CheckContext, CheckFailed

PAUSE = 0.25  # seconds between two pictures: somebody types, slowly enough for idle moments
MOST_SECONDS = 40.0  # of asking while it gets faster
SETTLED = 12  # pictures afterwards
TYPISTS = 8  # at the same time, at the end
EAGER_ROUNDS = 5
STALL = 2.0  # times what an eager server takes: the aim is that nobody waits longer

Waits = tuple[float, float]  # ms to the first pixels and to the finished picture


def live(context: CheckContext) -> dict[str, Any]:
    """First paint and finished picture, ms, and the longest of each, while calls are recorded.

    Stalls are told by what the same pictures take where nothing ever gets faster. Afterwards
    nothing is recorded or traced any more.
    """
    speed, rounds = context.speed(compiled=False), 1 if context.small else EAGER_ROUNDS
    made = load_bench_model(context.weights, context.device.type, speed.memory_format)
    eager = _eager(made, replace(speed, cuda_graphs=False), Clock(context.device), rounds)
    found = asyncio.run(_type(made, Sampler(made.components, speed), small=context.small))
    faster = found.pop("asked")
    found["while_it_gets_faster"] |= stalls(faster, eager)
    if found["made_afterwards"]:
        raise CheckFailed(f"something is still recorded or traced afterwards: {found}")
    return {"eager": {name: round(ms, 1) for name, ms in eager.items()}, **found}


def stalls(pictures: list[Waits], eager: dict[str, float]) -> dict[str, Any]:
    """The longest wait for first pixels in those of an eager server, and how many are stalls."""
    ratios = [first / eager["first_paint_ms"] for first, _ in pictures]
    return {
        "longest_in_eager_waits": round(max(ratios), 2),
        "stalls": sum(ratio > STALL for ratio in ratios),
    }


def _eager(made: BenchModel, speed: Speed, clock: Clock, rounds: int) -> dict[str, float]:
    sampler = Sampler(made.components, speed)
    row = sampler.begin(made.request(4))

    def step() -> None:
        row.step = 0
        sampler.step([row])

    def painted(**options: Any) -> None:
        encode_jpeg(picture(sampler, made.request(4), **options))

    first = partial(painted, preview=True, steps=1)
    calls: dict[str, Call] = {"step_ms": step, "first_paint_ms": first, "final_ms": painted}
    return {name: clock.median(call, rounds) for name, call in calls.items()}


async def _type(made: BenchModel, sampler: Sampler, *, small: bool) -> dict[str, Any]:
    spec = made.components.spec
    engine = LocalEngine(lambda report: sampler, about(spec), idle_seconds=PAUSE / 5)
    try:
        while engine.status().state == "loading":  # noqa: ASYNC110 - an engine has no event for it
            await asyncio.sleep(0.01)
        begun, faster = time.monotonic(), []
        while time.monotonic() < begun + MOST_SECONDS:
            faster.append(await _ask(engine, made))
            await asyncio.sleep(PAUSE)
            if GETTING_FASTER not in engine.status().tier:
                break
        seconds, ended = time.monotonic() - begun, GETTING_FASTER not in engine.status().tier
        before = sampler.improvement.made + traced()
        settled = [await _ask(engine, made) for _ in range(2 if small else SETTLED)]
        people, pictures = (2, 1) if small else (TYPISTS, 6)
        begun = time.monotonic()
        await asyncio.gather(*(_ask_several(engine, made, pictures) for _ in range(people)))
        rate = people * pictures / (time.monotonic() - begun)
        made_afterwards = sampler.improvement.made + traced() - before
        return {
            "typists": people,
            "typists_pictures_per_second": round(rate, 2),
            "tier": engine.status().tier,
            "made_afterwards": made_afterwards if ended else None,
            "getting_faster_seconds": round(seconds, 1),
            "while_it_gets_faster": _figures(faster),
            "settled": _figures(settled),
            "asked": faster,
        }
    finally:
        await engine.aclose()


async def _ask(engine: LocalEngine, made: BenchModel) -> Waits:
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


def _figures(pictures: list[Waits]) -> dict[str, Any]:
    first, final = zip(*pictures, strict=True)
    return {
        "pictures": len(pictures),
        "first_paint_ms": {**p50_p95(first), "max": round(max(first), 1)},
        "final_ms": {**p50_p95(final), "max": round(max(final), 1)},
    }
