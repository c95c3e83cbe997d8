"""Check of decoding on a stream of its own, while the next picture's steps are taken."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ...model.sampling.sampler import Sampler
from ..bench_model import load_bench_model
from ..component_timing import time_decode_stream
from ..timing import Clock
from .context import CheckContext, CheckFailed, CheckSkipped

STEPS = 4
ROUNDS = 10


def decode_stream(context: CheckContext) -> dict[str, Any]:
    """ms for a decode and the next picture's steps, in turns and beside; the same pictures."""
    made = load_bench_model(context.weights, context.device.type)
    speed = replace(context.speed(compiled=False), decode_stream=not context.small)
    sampler = Sampler(made.components, speed)
    sampler.warm_up()
    rounds = 2 if context.small else ROUNDS
    ask, clock = partial(made.request, STEPS), Clock(context.device)
    found = time_decode_stream(sampler, ask, rounds, clock)
    if not found:
        raise CheckSkipped("this device has no room for a step and a decode at the same time")
    if found["max_pixel_difference"] > 2:
        raise CheckFailed(f"pixels decoded beside steps differ: {found}")
    return found
