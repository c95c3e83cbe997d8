"""Checks of speed: rows that share a UNet call, the compiler's cache, and the whole benchmark."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from dataclasses import replace
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from ...model.sampling.sampler import Sampler
from ...schemas import ROW_BUCKETS
from .. import model as bench
from ..ablation import Ablation, AblationStage, time_learning
from ..bench_model import load_bench_model
from ..component_timing import time_batches
from ..timing import Call, Clock
from .context import CheckContext, CheckFailed

BACKEND = "LIGHTNING_COMPILE_BACKEND"
MODEL, RECORDED = "model.json", "recorded.json"
ROUNDS = 5
MOST_KERNELS, MOST_LETTERS = 8, 100


def calibration(context: CheckContext) -> dict[str, Any]:
    """What a UNet call costs by rows and size: decides how many requests may share one."""
    made = load_bench_model(context.weights, context.device.type)
    speed = context.speed(compiled=False)
    Ablation(made.components, (4,)).advance(AblationStage("", speed))
    measured: dict[str, Any] = {}
    for side in (64, 96) if context.small else (1024, 768, 512):
        spec = replace(made.components.spec, sizes=((side, side),))
        at_side = replace(made, components=replace(made.components, spec=spec))
        sampler = Sampler(at_side.components, speed)
        measured[str(side)] = time_batches(
            sampler,
            lambda at_side=at_side: at_side.request(4),  # type: ignore[misc]
            ROW_BUCKETS[:2] if context.small else ROW_BUCKETS,
            1 if context.small else 5,
            Clock(context.device),
        )
    return measured


def compiler_cache(context: CheckContext) -> dict[str, Any]:
    """Seconds that a new process takes to get as fast, with what `model` compiled; and it took."""
    speed = context.speed(compiled=True)
    second = time_learning(context.weights, context.device.type, speed)
    if second["problems"] or second["made_afterwards"]:
        raise CheckFailed(json.dumps(second))
    document = context.out / MODEL
    stages = json.loads(document.read_text())["stages"] if document.exists() else []
    learned = [stage for stage in stages if stage["tier"] and "learning_seconds" in stage]
    first = {stage["tier"]: stage["learning_seconds"] for stage in learned}
    return {"first": first, "second": second}


def recorded(context: CheckContext) -> dict[str, Any]:
    """`bench model` without the compiler, whose figures come within a minute: recorded.json."""
    return _bench_model(context, RECORDED, "--no-compile")


def model(context: CheckContext) -> dict[str, Any]:
    """`bench model`; its document is model.json. With minutes left it compiles the peer too."""
    return _bench_model(context, MODEL, "--compile")


def kernels(context: CheckContext) -> dict[str, Any]:
    """Of a step and of a decode, as served: how long the device works, and on what the longest."""
    speed = context.speed(compiled=False)
    made = load_bench_model(context.weights, context.device.type, speed.memory_format)
    sampler = Sampler(made.components, speed)
    sampler.warm_up()
    row = sampler.begin(made.request(4))

    def step() -> None:
        row.step = 0
        sampler.step([row])
        sampler.synchronize()

    step()
    calls: dict[str, Call] = {"step": step, "decode": lambda: sampler.finish(row)}
    return {name: _profiled(call, context.device) for name, call in calls.items()}


def _profiled(call: Call, device: torch.device) -> dict[str, Any]:
    wall = Clock(device).median(call, ROUNDS)
    on_gpu = device.type == "cuda"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as found:
        call()
    averages = found.key_averages()
    times: Counter[str] = Counter()
    for each in averages:  # names that begin alike count as one
        taken = each.self_device_time_total if on_gpu else each.self_cpu_time_total
        times[each.key[:MOST_LETTERS]] += taken / 1000
    return {
        "wall_ms": round(wall, 2),
        "device_ms": round(sum(times.values()), 2),
        "calls": sum(each.count for each in averages),
        "longest_ms": {name: round(ms, 2) for name, ms in times.most_common(MOST_KERNELS)},
    }


def _bench_model(context: CheckContext, document: str, compiles: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    bench.add_options(parser)
    options = [compiles, "--rounds", "5", "--batches", "1", "--out", str(context.out / document)]
    if context.small:
        os.environ[BACKEND] = context.backend
        options += ["--device", "cpu", "--rounds", "1", "--steps", "4", "--threads", "1"]
    args = parser.parse_args(options)
    args.weights = context.weights if context.small else "auto"  # the real ones if they are here
    result = bench.measure(args, second_process=False, deadline=context.deadline)
    failed = [stage for stage in result["stages"] if "error" in stage or stage["problems"]]
    if failed:
        words = (f"{stage['name']}: {stage.get('error', stage['problems'])}" for stage in failed)
        raise CheckFailed("; ".join(words))
    return {stage["name"]: stage["speedup"] for stage in result["stages"]}
