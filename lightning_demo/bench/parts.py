"""Single parts of the model: each of a picture's, and the change from one step count to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..model.sampling.sampler import Sampler
from ..model.weights.unets import Source
from ..schemas import GenerationRequest
from .random_sdxl import unets_of
from .report import percentile
from .subject import again, painter
from .timing import Call, Clock


def difference(sampler: Sampler, request: GenerationRequest, wanted: np.ndarray) -> int:
    """The largest difference of any pixel's value (0 … 255) to the picture wanted."""
    row = sampler.begin(request)
    while not row.done:
        sampler.step([row])
    return int(np.abs(sampler.finish(row).astype(int) - wanted).max())


def measure_parts(
    sampler: Sampler, ask: Callable[[], GenerationRequest], rounds: int, clock: Clock
) -> dict[str, float]:
    """Milliseconds of each part of a picture, alone.

    `prompt` is everything before the first step: both text encoders, keys and values, noise.
    `first_paint` is a new prompt, one step, the preview on the host, and its JPEG.
    """
    row = sampler.begin(ask())
    step = again(sampler, row)
    step()
    calls: dict[str, Call] = {
        "unet_step": step,
        "full_decoder": lambda: sampler.finish(row),
        "preview_decoder": lambda: sampler.preview(row),
        "prompt": lambda: sampler.begin(ask()),
        "first_paint": painter(sampler, ask, preview=True, steps=1),
    }
    return {name: round(clock.median(call, rounds), 2) for name, call in calls.items()}


def switching(source: Source, steps: Sequence[int], rounds: int, clock: Clock) -> dict[str, float]:
    """Milliseconds until another step count's UNet, read before, is what `get` gives.

    In place: one UNet is all there is and is overwritten. Resident: each has a place of its own.
    """
    if len(steps) < 2:
        return {}
    measured = {}
    for name, capacity, counts in (("in_place", 1, steps), ("resident", 2, steps[:2])):
        unets = unets_of(source, capacity, counts)
        for count in counts:
            unets.get(count)
        times = [clock.ms(partial(unets.get, n)) for _ in range(rounds) for n in counts]
        measured[f"{name}_ms"] = round(percentile(times, 0.5), 3)
    return measured
