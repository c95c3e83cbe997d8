"""Checks of a stream for decoding: of finished pictures, as served; of previews, as might be."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...model.compile.compiled_functions import CompiledFunctions
from ...model.sampling.sampler import Sampler
from ...model.sampling.step import Row
from ..bench_model import BenchModel, load_bench_model
from ..component_timing import time_decode_stream
from ..report import percentile
from ..timing import Clock
from .context import CheckContext, CheckFailed, CheckSkipped

STEPS = 4
ROUNDS = 10
NO_ROOM = "this device has no room for a step and a decode at the same time"


def decode_stream(context: CheckContext) -> dict[str, Any]:
    """ms for a decode and the next picture's steps, in turns and beside; the same pictures."""
    made, sampler, _ = _prepared(context)
    sampler.warm_up()
    rounds = 2 if context.small else ROUNDS
    ask, clock = partial(made.request, STEPS), Clock(context.device)
    found = time_decode_stream(sampler, ask, rounds, clock)
    if not found:
        raise CheckSkipped(NO_ROOM)
    if found["max_pixel_difference"] > 2:
        raise CheckFailed(f"pixels decoded beside steps differ: {found}")
    return found


def preview_stream(context: CheckContext) -> dict[str, Any]:
    """Until a preview is there, and the next step done, ms: in turns as served, and beside.

    Beside would be worth building where the step comes clearly earlier, and the preview no later.
    """
    made, sampler, functions = _prepared(context)
    if not sampler.decodes_beside:
        raise CheckSkipped(NO_ROOM)
    functions.apart |= {"preview"}
    sampler.warm_up()
    times: dict[str, list[float]] = defaultdict(list)
    with ThreadPoolExecutor(1) as thread:
        for _ in range(2 if context.small else ROUNDS):
            _in_turns(sampler, _one_step(sampler, made), times)
            _beside(sampler, _one_step(sampler, made), times, thread)
    return {name: round(percentile(found, 0.5), 2) for name, found in times.items()}


def _prepared(context: CheckContext) -> tuple[BenchModel, Sampler, CompiledFunctions]:
    made = load_bench_model(context.weights, context.device.type)
    speed = replace(context.speed(compiled=False), decode_stream=not context.small)
    functions = CompiledFunctions(speed)
    return made, Sampler(made.components, speed, functions=functions), functions


def _one_step(sampler: Sampler, made: BenchModel) -> Row:
    row = sampler.begin(made.request(STEPS))
    sampler.step([row])
    sampler.synchronize()
    return row


def _in_turns(sampler: Sampler, row: Row, times: dict[str, list[float]]) -> None:
    begun = time.perf_counter()
    sampler.preview(row)
    times["preview_in_turns_ms"].append(1000 * (time.perf_counter() - begun))
    sampler.step([row])
    sampler.synchronize()
    times["step_in_turns_ms"].append(1000 * (time.perf_counter() - begun))


def _beside(
    sampler: Sampler, row: Row, times: dict[str, list[float]], thread: ThreadPoolExecutor
) -> None:
    shown = copy.copy(row)  # a step puts other latents into the row

    def preview() -> tuple[np.ndarray, float]:
        with sampler.beside():
            return sampler.preview(shown), time.perf_counter()

    begun = time.perf_counter()
    showing = thread.submit(preview)
    sampler.step([row])
    sampler.synchronize()
    times["step_beside_ms"].append(1000 * (time.perf_counter() - begun))
    pixels, done = showing.result()
    times["preview_beside_ms"].append(1000 * (done - begun))
    difference = np.abs(pixels.astype(int) - sampler.preview(shown)).max()
    if difference > 2:
        raise CheckFailed(f"pixels of a preview beside a step differ by {difference}")
