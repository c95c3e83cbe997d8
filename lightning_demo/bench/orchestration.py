"""`bench engine`: what Python costs around the models, the engine against `pipe(...)`.

On SDXL's full module tree with every model replaced by a constant, so that nothing but
orchestration is left. The engine side is the whole request: line, thread, steps, previews, decode,
JPEG and the way back to the event loop.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

from ..engine.base import Work, final_frame
from ..engine.build import about
from ..engine.local import LocalEngine
from ..model.sampling.sampler import Sampler
from ..schemas import GenerationRequest
from . import report
from .peers.pipe import pipeline
from .random_sdxl import THIN, random_components
from .stubs import stub_models

STEPS = 4
SIDE = 64  # px
ROUNDS = 8
PIPE_CALLS = 4  # a round
ENGINE_CALLS = 40
WARM_UP = 3


def bench_engine(threads: int) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    components = random_components(THIN)
    unet = components.unets.get(STEPS)
    pipe = pipeline(components, unet, components.vae, components.text_encoders)
    stub_models(components, SIDE)
    sampler = Sampler(components)
    request = GenerationRequest("a red house by the sea at sunset", "", STEPS, 0.0, 7, SIDE, SIDE)

    def through_pipe() -> None:
        pipe(
            prompt=request.prompt,
            num_inference_steps=STEPS,
            guidance_scale=0,
            width=SIDE,
            height=SIDE,
            generator=torch.Generator("cpu").manual_seed(request.seed),
        )

    def through_sampler() -> None:
        row = sampler.begin(request)
        while not row.done:
            sampler.step([row])
        sampler.finish(row)

    def uncached() -> None:
        sampler.forget_prompts()
        through_sampler()

    times: dict[str, list[float]] = {"pipe": [], "cached": [], "uncached": []}
    for _ in range(ROUNDS):
        times["pipe"] += _cpu_ms(through_pipe, PIPE_CALLS)
        times["cached"] += _cpu_ms(through_sampler, ENGINE_CALLS)
        times["uncached"] += _cpu_ms(uncached, ENGINE_CALLS)
    whole = asyncio.run(_through_engine(sampler, components.spec, request))
    middle = {name: report.percentile(values, 0.5) for name, values in times.items()}
    result = {
        "benchmark": "engine",
        "num_inference_steps": STEPS,
        "pipe_ms": round(middle["pipe"], 3),
        "engine_cached_ms": round(middle["cached"], 3),
        "engine_uncached_ms": round(middle["uncached"], 3),
        "request_round_trip_ms": report.p50_p95(whole),
        "speedup_cached": round(middle["pipe"] / middle["cached"], 1),
        "speedup_uncached": round(middle["pipe"] / middle["uncached"], 1),
        "threads": threads,
        **report.environment(),
    }
    rows = [
        ["pipe(prompt)", f"{middle['pipe']:.2f}", "1"],
        ["sampler, new prompt", f"{middle['uncached']:.2f}", f"{result['speedup_uncached']}"],
        ["sampler, known prompt", f"{middle['cached']:.2f}", f"{result['speedup_cached']}"],
    ]
    print(f"CPU time of one {STEPS}-step request around the models, which answer at once")
    print(report.table(["", "ms", "times less"], rows))
    print(
        f"whole request through the engine (line, threads, previews, JPEG), wall: "
        f"{result['request_round_trip_ms']['p50']:.2f} ms"
    )
    return result


def _cpu_ms(call: Callable[[], None], repeats: int) -> list[float]:
    """CPU milliseconds of this thread for each call: blind to other processes."""
    call()
    times = []
    for _ in range(repeats):
        begun = time.thread_time()
        call()
        times.append((time.thread_time() - begun) * 1000)
    return times


async def _through_engine(sampler: Sampler, family: Any, request: GenerationRequest) -> list[float]:
    engine = LocalEngine(lambda report: sampler, about(family))
    times = []
    for _ in range(WARM_UP + ROUNDS * ENGINE_CALLS):
        begun = time.perf_counter()
        await final_frame(engine, Work(request))
        times.append((time.perf_counter() - begun) * 1000)
    await engine.aclose()
    return times[WARM_UP:]
