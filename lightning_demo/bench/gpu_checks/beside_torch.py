"""Check of the memory that torch's own count leaves out: CUDA's context, its kernels, graphs."""

from __future__ import annotations

import contextlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch

from ...model.memory_report import needed
from ...model.sampling.sampler import Sampler
from ...schemas import STEP_COUNTS
from ..bench_model import load_bench_model, picture
from ..random_sdxl import unets_of
from .context import CheckContext, CheckSkipped


@dataclass(frozen=True, slots=True)
class Used:
    """Bytes of a card that all programs together use, by the driver and by NVML (nvidia-smi)."""

    driver: int
    nvml: int | None  # None: its Python package is not installed

    @classmethod
    def now(cls, cuda: Any = torch.cuda) -> Used:
        """As it is."""
        free, total = cuda.mem_get_info()
        nvml = None
        with contextlib.suppress(Exception):  # NVML has errors of its own
            nvml = cuda.device_memory_used()
        return cls(total - free, nvml)


def beside_torch(context: CheckContext) -> dict[str, Any]:
    """MB of a process with one UNet: in all, in torch's count, and beside it, stage by stage."""
    if context.small:
        raise CheckSkipped("a CPU's memory holds no context of CUDA")
    before = Used.now()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(taken_by_this_process, context, before).result()


def taken_by_this_process(
    context: CheckContext, before: Used, cuda: Any = torch.cuda
) -> dict[str, Any]:
    """What a new process takes; on a card that nobody else uses more or less of meanwhile.

    Args:
        before: the card's memory before this process began.
        cuda: stands in for `torch.cuda` in a test.
    """
    found: dict[str, Any] = {}

    def note(stage: str) -> None:
        cuda.synchronize()
        found[stage] = compared(before, Used.now(cuda), cuda.memory_reserved())

    torch.zeros(1, device=context.device)
    note("context")
    made = load_bench_model(context.weights, context.device.type)
    plan = replace(made.components.memory_plan, unets=1)
    parts = replace(made.components, memory_plan=plan, unets=unets_of(made.source, 1, STEP_COUNTS))
    sampler = Sampler(parts, context.speed(compiled=False))
    picture(sampler, made.request(4))
    note("eager")
    sampler.warm_up()
    picture(sampler, made.request(4))
    note("recorded")
    return {**found, "planned_mb": needed(plan) // 10**6}


def compared(before: Used, now: Used, reserved: int) -> dict[str, int]:
    """MB.

    Args:
        reserved: bytes that torch's allocator holds.
    """
    used = now.driver - before.driver
    counts = {"all": used, "torch": reserved, "beside": used - reserved}
    if now.nvml is not None and before.nvml is not None:
        counts["nvml"] = now.nvml - before.nvml
    return {f"{name}_mb": count // 10**6 for name, count in counts.items()}
