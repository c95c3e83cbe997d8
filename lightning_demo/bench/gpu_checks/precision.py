"""Checks of what the model computes in: float16 beside bfloat16, 8 bits, and sums in float16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ...errors import InvalidSetting
from ...model.compile.fp8 import FP8_DTYPE, check_fp8, to_fp8
from ...model.compile.speed import Speed
from ...model.loading import Components
from ...model.sampling.sampler import Sampler
from ...schemas import GenerationRequest
from ..bench_model import BenchModel, load_bench_model, picture
from ..recast import recast
from ..timing import Clock
from .context import CheckContext, CheckFailed, CheckSkipped

ROUNDS = 5
MOST_DIFFERENCE = 12.0  # levels of 255, on average: of nearly the same picture

Way = tuple[Components, Speed]


def bf16(context: CheckContext) -> dict[str, Any]:
    """A picture in both half precisions, in turns: ms, and how far the pixels differ."""
    made = load_bench_model(context.weights, context.device.type)
    made.components.unets.get(context.usual_steps)
    usual, speed = made.components, context.speed(compiled=False)
    other = recast(usual, torch.bfloat16, context.usual_steps)
    ways = {_name(each.dtype): (each, speed) for each in (usual, other)}
    return _beside(context, made, ways)


def fp16_accumulation(context: CheckContext) -> dict[str, Any]:
    """A picture whose matrix products are summed in float16, and in float32 as usual."""
    made = load_bench_model(context.weights, context.device.type)
    speed = context.speed(compiled=False)
    ways = {
        f"sums_in_{dtype}": (made.components, replace(speed, fp16_accumulation=half))
        for dtype, half in (("float16", True), ("float32", False))
    }
    return _beside(context, made, ways)


def fp8(context: CheckContext) -> dict[str, Any]:
    """A picture with large layers in 8 bits, and in the dtype that everything else then has."""
    try:
        check_fp8(context.device, unets_stay=True)
    except InvalidSetting as error:
        raise CheckSkipped(str(error)) from error
    made = load_bench_model(context.weights, context.device.type)
    exact = recast(made.components, FP8_DTYPE, context.usual_steps)
    rounded = recast(made.components, FP8_DTYPE, context.usual_steps, to_fp8)
    speed = context.speed(compiled=False)
    return _beside(context, made, {_name(exact.dtype): (exact, speed), "fp8": (rounded, speed)})


def _beside(context: CheckContext, made: BenchModel, ways: dict[str, Way]) -> dict[str, Any]:
    """The same model computing in two ways; pictures of the same request are compared."""
    clock, ask = Clock(context.device), partial(made.request, context.usual_steps)
    request, pictures, calls = ask(), [], {}
    for name, (components, speed) in ways.items():
        sampler = Sampler(components, speed)
        sampler.warm_up()
        pictures.append(picture(sampler, request).astype(int))
        calls[name] = partial(_paint, sampler, ask)
    times = clock.side_by_side(calls, 1 if context.small else ROUNDS)
    differences = np.abs(pictures[0] - pictures[1])
    found = {f"{name}_ms": round(float(np.median(taken)), 1) for name, taken in times.items()}
    found["mean_pixel_difference"] = round(float(differences.mean()), 2)
    found["max_pixel_difference"] = int(differences.max())
    if differences.mean() > MOST_DIFFERENCE:
        raise CheckFailed(f"these are other pictures: {found}")
    return found


def _paint(sampler: Sampler, ask: Callable[[], GenerationRequest]) -> object:
    return picture(sampler, ask())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
