"""Checks of what can go wrong with a device: it is told in words, and in the right ones."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import torch

from ...errors import CheckpointError, DeviceLost, OutOfMemory
from ...model.device import free_memory, pick_device
from ...model.memory_plan import GIB, plan_memory
from ...model.sampling.sampler import Sampler
from ...model.weights.checkpoints import SDXL_LIGHTNING
from ..bench_model import load_bench_model, picture
from .context import CheckContext, CheckFailed

LEFT = 2 * GIB  # bytes free beside another program that takes all the others: too few for any plan


def faults(context: CheckContext) -> dict[str, str]:
    """What is said of a GPU that does not exist, one that is full, and one that stops working."""
    said = {"no such device": _no_such_device()}
    if not context.small:
        said["taken by another program"] = _taken(context.device)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            said["stops working"] = pool.submit(lose_device).result()
    return said


def _no_such_device() -> str:
    try:
        pick_device(f"cuda:{torch.cuda.device_count()}")
    except CheckpointError as error:
        return str(error)
    raise CheckFailed("a device that does not exist could be used")


def _taken(device: torch.device) -> str:
    free = free_memory(device) or 0
    others = torch.empty(max(0, free - LEFT), dtype=torch.uint8, device=device)
    try:
        plan = plan_memory(SDXL_LIGHTNING, device)
    except OutOfMemory as error:
        return str(error)
    finally:
        del others
        torch.cuda.empty_cache()
    raise CheckFailed(f"there is a plan for {LEFT / GIB:.0f} GiB: {plan}")


def lose_device() -> str:
    """Breaks this process's CUDA for good, and paints."""
    made = load_bench_model("thin", "cuda")
    sampler = Sampler(made.components)
    picture(sampler, made.request(4))
    row = sampler.begin(made.request(4))
    nowhere = torch.tensor([9], device="cuda")
    torch.zeros(4, device="cuda").index_select(0, nowhere)  # asserts on the device
    try:
        sampler.step([row])
        sampler.finish(row)
    except DeviceLost as error:
        return str(error)
    raise CheckFailed("pictures are painted by a device that has failed")
