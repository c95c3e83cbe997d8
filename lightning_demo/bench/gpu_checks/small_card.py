"""Check of a process that compiles beside one that holds most of a 24 GB card."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import torch

from ...errors import OutOfMemory, is_out_of_memory
from ...model.compile.programs import Programs
from ...model.memory_plan import (
    ANOTHER_BYTES,
    CONTEXT_BYTES,
    GIB,
    full_size_plan,
    room_for_another,
)
from ...model.sampling.decode import render
from ...model.sampling.sampler import Sampler
from ...schemas import STEP_COUNTS
from ..bench_model import BenchModel, difference, load_bench_model, picture
from ..random_sdxl import RandomWeights, random_components
from ..timing import Clock
from .card import limit_memory, memory_of
from .context import CheckContext, CheckFailed, CheckSkipped

CARD_BYTES = int(23.5 * GIB)  # free on 24 GB
ROUNDS = 5


def small_card(context: CheckContext) -> dict[str, Any]:
    """What a child says for which the card has no room; a child with room; and those who paint."""
    if context.small:
        raise CheckSkipped("a CPU has no memory of its own that a child could want")
    if torch.cuda.get_device_properties(context.device).total_memory < CARD_BYTES + ANOTHER_BYTES:
        raise CheckSkipped("this card is itself no larger")
    plan = full_size_plan("cuda", CARD_BYTES, len(STEP_COUNTS))
    source = RandomWeights(context.shape, context.device, plan.dtype)
    parts = random_components(context.shape, context.device, plan, source)
    with memory_of(CARD_BYTES, context.device):
        for steps in STEP_COUNTS[-plan.unets :]:
            parts.unets.get(steps)
        made = BenchModel(context.weights, parts, source)
        sampler = Sampler(parts, context.speed(compiled=False))
        sampler.warm_up()
        torch.cuda.empty_cache()
        left = CARD_BYTES - torch.cuda.memory_reserved()
        if room_for_another(plan, plan.unets, left):
            raise CheckFailed(f"a child would be started with {left / GIB:.1f} GiB left")
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found: dict[str, Any] = {"left_gib": round(left / GIB, 1)}
            for name, room in {"without_room": left, "with_room": ANOTHER_BYTES}.items():
                child = pool.submit(compile_within, context, room - CONTEXT_BYTES)
                found[name] = {**paint_until(child, sampler, made), **child.result()}
    if "said" in found["with_room"]:
        raise CheckFailed(f"a child takes more than it is given room for: {found}")
    return found


def compile_within(context: CheckContext, limit: float) -> dict[str, Any]:
    """What a child does, with so many bytes: a picture, and a program, of the smallest part."""
    limit_memory(limit, context.device)
    begun = time.perf_counter()
    try:
        made = load_bench_model(context.weights, context.device.type)
        sampler = Sampler(made.components)
        row = sampler.begin(made.request(1))
        sampler.step([row])
        sampler.finish(row)
        speed = context.speed(compiled=True)
        programs = Programs(context.cache / "child", speed, make=True)
        vae = made.components.preview_vae
        latents = row.latents.to(made.components.dtype)
        programs.bind("preview", render, vae, latents)
    except Exception as error:
        if not (isinstance(error, OutOfMemory) or is_out_of_memory(error)):
            raise
        return {"said": str(error).splitlines()[0]}
    found: dict[str, Any] = {"seconds": round(time.perf_counter() - begun, 1)}
    if context.device.type == "cuda":
        found["most_mb"] = torch.cuda.max_memory_allocated() // 10**6
    return found


def paint_until(child: Future[Any], sampler: Sampler, made: BenchModel) -> dict[str, Any]:
    """Paints one request over and over; the longest it took, ms, alone and beside the child."""
    clock, request = Clock(made.components.device), made.request(4)
    wanted, worst = picture(sampler, request), 0
    alone = [clock.ms(lambda: picture(sampler, request)) for _ in range(ROUNDS)]
    beside = []
    while not child.done():
        begun = time.perf_counter()
        worst = max(worst, difference(sampler, request, wanted))
        beside.append(1000 * (time.perf_counter() - begun))
    if worst > 2:
        raise CheckFailed(f"pixels differ by {worst} while a child compiles")
    longest = {"alone": max(alone), "beside": max(beside, default=0.0)}
    return {f"longest_{name}_ms": round(ms, 1) for name, ms in longest.items()}
