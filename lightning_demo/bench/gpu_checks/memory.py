"""Checks of memory: too little of it, each profile, and one UNet in the place of another."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import torch

from ...errors import OutOfMemory
from ...model.memory_plan import GIB, MemoryPlan, full_size_plan
from ...model.sampling.sampler import Sampler
from ...schemas import STEP_COUNTS, GenerationRequest
from ..bench_model import PROMPT, BenchModel, load_bench_model, picture
from ..component_timing import time_switching
from ..random_sdxl import FULL, RandomWeights, random_components, unets_of
from ..timing import Clock, problems
from .card import memory_of
from .context import CheckContext, CheckFailed, CheckSkipped

PROFILES_GIB = (32, 22, 13, 10, 9, 7.1)  # free memory that leads to each profile


def out_of_memory(context: CheckContext) -> dict[str, Any]:
    """A picture too large for the memory fails in words; the next smaller one is painted."""
    if context.small:
        raise CheckSkipped("a CPU has no memory of its own that could run out")
    made = load_bench_model("full", "cuda")
    parts = replace(made.components, spec=FULL.spec, unets=unets_of(made.source, 1, STEP_COUNTS))
    sampler, device = Sampler(parts), context.device

    def request(side: int) -> GenerationRequest:
        return GenerationRequest(PROMPT, "", 1, 0.0, 7, side, side)

    def reserved(side: int) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        picture(sampler, request(side))
        return torch.cuda.max_memory_reserved()

    small, large = reserved(512), reserved(1024)
    with memory_of((small + large) / 2, device):
        try:
            picture(sampler, request(1024))
        except OutOfMemory as error:
            words = str(error)
        else:
            raise CheckFailed("1024 px fitted into less memory than it took before")
        picture(sampler, request(512))
    return {"said": words, "mb_at_512": small // 10**6, "mb_at_1024": large // 10**6}


def profiles(context: CheckContext) -> dict[str, Any]:
    """Every memory profile paints and is recorded on a card with the memory it was chosen for."""
    shape, device, clock = context.shape, context.device, Clock(context.device)
    dtype = torch.float32 if context.small else torch.float16
    source = RandomWeights(shape, device, dtype)
    source.read(4, lambda fraction, sentence: None)
    measured: dict[str, Any] = {}
    for free in PROFILES_GIB:
        profile = replace(full_size_plan("cuda", int(free * GIB), len(STEP_COUNTS)), dtype=dtype)
        if not context.small:
            gc.collect()  # recordings refer to what holds them
        clock.forget_peak()
        name = f"{profile.name}, {profile.unets} UNets"
        with memory_of(free * GIB, device), problems() as found:
            try:
                _paint_all(context, profile, source)
            except OutOfMemory as error:
                found.append(str(error))
        measured[name] = {"free_gib": free, "peak_mb": clock.peak_mb(), "problems": found}
        if not context.small:
            taken = torch.cuda.max_memory_reserved() / GIB
            measured[name]["reserved_gib"] = round(taken, 2)
    if any(each["problems"] for each in measured.values()):
        raise CheckFailed(str(measured))
    return measured


def _paint_all(context: CheckContext, profile: MemoryPlan, source: RandomWeights) -> None:
    parts = random_components(context.shape, context.device, profile, source)
    made = BenchModel(context.weights, parts, source)
    sampler = Sampler(parts, context.speed(compiled=False))
    sampler.warm_up()
    for steps in STEP_COUNTS[:2] if context.small else STEP_COUNTS:
        picture(sampler, made.request(steps))


def switch(context: CheckContext) -> dict[str, Any]:
    """Milliseconds to another step count."""
    made = load_bench_model(context.weights, context.device.type)
    return time_switching(made.source, STEP_COUNTS, 3, Clock(context.device))
