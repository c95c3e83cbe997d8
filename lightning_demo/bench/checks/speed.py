"""Checks of speed: rows that share a UNet call, the compiler's cache, and the whole benchmark."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import torch

from ...model.compile.speed import Speed
from ...model.sampling.sampler import Sampler
from ...settings import Settings
from ..batches import Batch, measure_batches
from ..model import Plan, bench_model
from ..stages import Ladder, Stage
from ..subject import subject
from ..timing import Clock
from ..warm_start import warm_start
from .setting import Setting, Wrong

BACKEND = "LIGHTNING_COMPILE_BACKEND"
MODEL = "model.json"


def calibration(setting: Setting) -> dict[str, Any]:
    """What a UNet call costs by rows and size: decides how many requests may share one."""
    made = subject(setting.random, setting.device.type)
    speed = setting.speed
    Ladder(made.components, (4,)).climb(Stage("", speed))
    measured: dict[str, Any] = {}
    for side in (64, 96) if setting.small else (1024, 768, 512):
        family = replace(made.components.spec, sizes=((side, side),))
        at_side = replace(made, components=replace(made.components, spec=family))
        sampler = Sampler(at_side.components, speed)
        measured[str(side)] = measure_batches(
            Batch(sampler, speed),
            sampler,
            lambda at_side=at_side: at_side.ask(4),  # type: ignore[misc]
            (1, 2) if setting.small else (1, 2, 4, 8),
            1 if setting.small else 5,
            Clock(setting.device),
        )
    return measured


def compiler_cache(setting: Setting) -> dict[str, Any]:
    """Seconds that a new process takes to get as fast, with what `model` compiled; and it took."""
    speed = Speed.of(Settings.from_environment(), setting.device.type)
    speed = replace(speed, compile=True, compile_backend=setting.backend)
    weights, threads = setting.trained, torch.get_num_threads()
    second = warm_start(weights, setting.device.type, speed, threads, setting.left())
    if second.get("error") or second["problems"]:
        raise Wrong(json.dumps(second))
    document = setting.out / MODEL
    stages = json.loads(document.read_text())["stages"] if document.exists() else []
    learned = [stage for stage in stages if "learning_seconds" in stage]
    first = {stage["tier"]: stage["learning_seconds"] for stage in learned}
    return {"first": first, "second": second}


def model(setting: Setting) -> dict[str, Any]:
    """`bench model`; its document is model.json. With minutes left it compiles the peer too."""
    plan = Plan(
        weights="full",
        rounds=5,
        compile=True,
        batches=(1,),
        out=setting.out / MODEL,
        warm_start=False,
        deadline=setting.deadline,
    )
    if setting.small:
        os.environ[BACKEND] = setting.backend
        plan = replace(plan, weights="miniature", device="cpu", rounds=1, steps=(4,), threads=1)
    result = bench_model(plan)
    failed = [stage for stage in result["stages"] if "error" in stage or stage["problems"]]
    if failed:
        raise Wrong("; ".join(f"{s['name']}: {s.get('error', s['problems'])}" for s in failed))
    return {stage["name"]: stage["speedup"] for stage in result["stages"]}
