"""Checks of memory: too little of it, each profile, and one UNet in the place of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ...errors import OutOfMemory
from ...model.memory_plan import GIB, full_size_plan
from ...model.sampling.sampler import Sampler
from ...schemas import STEP_COUNTS, GenerationRequest
from ..bench_model import PROMPT, BenchModel, load_bench_model, picture
from ..component_timing import time_switching
from ..random_sdxl import FULL, RandomWeights, random_components, unets_of
from ..timing import Clock
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
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction((small + large) / 2 / total)
    try:
        try:
            picture(sampler, request(1024))
        except OutOfMemory as error:
            words = str(error)
        else:
            raise CheckFailed("1024 px fitted into less memory than it took before")
        picture(sampler, request(512))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return {"said": words, "mb_at_512": small // 10**6, "mb_at_1024": large // 10**6}


def profiles(context: CheckContext) -> dict[str, Any]:
    """Every memory profile paints, and takes no more memory than it was chosen for."""
    shape, device, clock = context.shape, context.device, Clock(context.device)
    dtype = torch.float32 if context.small else torch.float16
    source = RandomWeights(shape, device, dtype)
    source.read(4, lambda fraction, sentence: None)
    measured: dict[str, Any] = {}
    for free in PROFILES_GIB:
        profile = replace(full_size_plan("cuda", int(free * GIB), len(STEP_COUNTS)), dtype=dtype)
        parts = random_components(shape, device, profile, source)
        clock.forget_peak()
        made = BenchModel(context.weights, parts, source)
        sampler = Sampler(parts, context.speed(compiled=False))
        sampler.warm_up()
        for steps in STEP_COUNTS[:2]:
            picture(sampler, made.request(steps))
        name = f"{profile.name}, {profile.unets} UNets"
        measured[name] = {"peak_mb": clock.peak_mb()}
        if not context.small:
            taken = torch.cuda.max_memory_reserved() / GIB
            measured[name]["reserved_gib"] = round(taken, 2)
            if taken > free:
                raise CheckFailed(f"{name}: {taken:.2f} GiB where {free} GiB are free; {measured}")
        del parts, made, sampler
    return measured


def switch(context: CheckContext) -> dict[str, Any]:
    """Milliseconds to another step count."""
    made = load_bench_model(context.weights, context.device.type)
    return time_switching(made.source, STEP_COUNTS, 3, Clock(context.device))
