"""What single components take: a picture's parts, shared UNet calls, a decode beside steps,
another step count."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from ..engine.runner import SamplerRunner
from ..errors import OutOfMemory
from ..images import encode_jpeg
from ..model.sampling.sampler import Sampler
from ..model.sampling.step import Row
from ..model.weights.unets import Source
from ..schemas import GenerationRequest
from .bench_model import picture
from .random_sdxl import unets_of
from .report import percentile
from .timing import Call, Clock

log = logging.getLogger(__name__)

Ask = Callable[[], GenerationRequest]


def time_components(sampler: Sampler, ask: Ask, rounds: int, clock: Clock) -> dict[str, float]:
    """Milliseconds of each part of a picture, alone.

    `prompt` is everything before the first step: both text encoders, keys and values, noise.
    `first_paint` is a new prompt, one step, the preview on the host, and its JPEG.
    """
    row = sampler.begin(ask())
    step = _first_step(sampler, [row])
    step()
    calls: dict[str, Call] = {
        "unet_step": step,
        "full_decoder": lambda: sampler.finish(row),
        "preview_decoder": lambda: sampler.preview(row),
        "prompt": lambda: sampler.begin(ask()),
        "first_paint": lambda: encode_jpeg(picture(sampler, ask(), preview=True, steps=1)),
    }
    return {name: round(clock.median(call, rounds), 2) for name, call in calls.items()}


def time_batches(
    sampler: Sampler, ask: Ask, sizes: Sequence[int], rounds: int, clock: Clock
) -> dict[str, dict[str, float]]:
    """By pictures in one UNet call: milliseconds of a step, and pictures a second up to JPEG."""
    while max(sizes, default=1) > 1 and sampler.improve():  # larger calls come last
        pass
    measured = {}
    for size in sizes:

        def together(size: int = size) -> None:
            rows = [sampler.begin(ask()) for _ in range(size)]
            while not rows[0].done:
                sampler.step(rows)
            for row in rows:
                encode_jpeg(sampler.preview(row))

        try:
            taken = clock.median(together, rounds)
            step = _first_step(sampler, [sampler.begin(ask()) for _ in range(size)])
            measured[str(size)] = {
                "step_ms": round(clock.median(step, rounds), 2),
                "images_per_second": round(1000 * size / taken, 2),
            }
        except OutOfMemory:
            log.warning("%d pictures together do not fit into the memory", size)
            break
    return measured


def time_decode_stream(sampler: Sampler, ask: Ask, rounds: int, clock: Clock) -> dict[str, float]:
    """Milliseconds of a decode and the next picture's steps: in turns, and beside one another.

    Empty where this device, as it is now, does one thing at a time. Both pictures of a round are of
    the same latents and compared.
    """
    times: dict[str, list[float]] = {"in_turns_ms": [], "beside_ms": []}
    differences: list[int] = []
    with ThreadPoolExecutor(1) as thread:
        runner = SamplerRunner(sampler, beside=thread)

        def stepped(row: Row) -> Row:
            while not row.done:
                runner.step([row])
            return row

        def in_turns(finished: Row, following: Row, pictures: list[np.ndarray]) -> None:
            pictures += runner.decode("decoder", [finished])[0]
            stepped(following)

        def beside(finished: Row, following: Row, pictures: list[np.ndarray]) -> None:
            decoding = runner.decode_beside([finished])
            assert decoding is not None  # noqa: S101
            stepped(following)
            pictures += decoding.result()[0]

        finished = stepped(sampler.begin(ask()))
        if not (sampler.decodes_beside and sampler.may_decode_beside([finished])):
            return {}
        for _ in range(rounds):
            pictures: list[np.ndarray] = []
            for name, way in (("in_turns_ms", in_turns), ("beside_ms", beside)):
                following = sampler.begin(ask())
                times[name].append(clock.ms(partial(way, finished, following, pictures)))
            one, other = pictures
            differences.append(int(np.abs(one.astype(int) - other).max()))
            finished = following
    medians = {name: round(percentile(values, 0.5), 1) for name, values in times.items()}
    return {**medians, "max_pixel_difference": max(differences)}


def time_switching(
    source: Source, steps: Sequence[int], rounds: int, clock: Clock
) -> dict[str, float]:
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
        while unets.fetch_ahead():  # as a server in quiet moments: page-locks what it copies
            time.sleep(0.01)
        times = [clock.ms(partial(unets.get, n)) for _ in range(rounds) for n in counts]
        measured[f"{name}_ms"] = round(percentile(times, 0.5), 3)
    return measured


def _first_step(sampler: Sampler, rows: Sequence[Row]) -> Callable[[], None]:
    """A call that takes the rows' first step over and over."""

    def step() -> None:
        for row in rows:
            row.step = 0
        sampler.step(rows)

    return step
