"""Check of decoding on a stream of its own, while the next picture's steps are taken."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.runner import SamplerRunner
from ...model.sampling.sampler import Sampler
from ...model.sampling.step import Row
from ..bench_model import BenchModel, load_bench_model
from .context import CheckContext, CheckFailed, CheckSkipped

STEPS = 4
ROUNDS = 10


def decode_stream(context: CheckContext) -> dict[str, Any]:
    """ms for a decode and the next picture's steps, in turns and beside; the same pictures."""
    made = load_bench_model(context.weights, context.device.type)
    speed = replace(context.speed(compiled=False), decode_stream=not context.small)
    sampler = Sampler(made.components, speed)
    if not (sampler.decodes_beside or context.small):
        raise CheckSkipped("this GPU has no room for a step and a decode at the same time")
    sampler.warm_up()
    in_turns, beside, differences = [], [], []
    with ThreadPoolExecutor(1) as thread:
        runner = SamplerRunner(sampler, beside=thread)
        finished = _next(runner, made)
        _stepped(runner, finished)
        for _ in range(2 if context.small else ROUNDS):
            following = _next(runner, made)
            begun = time.perf_counter()
            (alone,), _ = runner.decode("decoder", [finished])
            _stepped(runner, following)
            in_turns.append(time.perf_counter() - begun)

            following = _next(runner, made)
            begun = time.perf_counter()
            decoding = runner.decode_beside([finished])
            assert decoding is not None  # noqa: S101
            _stepped(runner, following)
            (together,), _ = decoding.result()
            beside.append(time.perf_counter() - begun)
            differences.append(int(np.abs(together.astype(int) - alone).max()))
            finished = following
    if max(differences) > 2:
        raise CheckFailed(f"pixels decoded beside steps differ by {differences}")
    return {
        "in_turns_ms": round(1000 * float(np.median(in_turns)), 1),
        "beside_ms": round(1000 * float(np.median(beside)), 1),
        "max_pixel_difference": max(differences),
    }


def _next(runner: SamplerRunner, made: BenchModel) -> Row:
    (row,), _, _ = runner.begin([made.request(STEPS)])
    if isinstance(row, Exception):
        raise row
    return row


def _stepped(runner: SamplerRunner, row: Row) -> None:
    while not row.done:
        runner.step([row])
