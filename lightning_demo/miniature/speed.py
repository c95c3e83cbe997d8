"""How long one picture takes on one CPU core, with a prompt that nobody has typed before."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from ..model.hub.repository import Repository
from ..model.loading import load_components
from ..model.sampling.sampler import Sampler
from ..model.weights.checkpoints import MINIATURE
from ..schemas import GenerationRequest

ROUNDS = 9


def one_core_ms(folder: Path) -> dict[str, float]:
    """Median milliseconds from prompt to decoded pixels at the native size, by step count."""
    spec = replace(
        MINIATURE,
        base=Repository("miniature/base", folder=folder / "base"),
        lightning=Repository("miniature/lightning", folder=folder / "lightning"),
        preview=Repository("miniature/preview", folder=folder / "preview"),
        sha256={},
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        sampler = Sampler(load_components(spec, "cpu"))
        sampler.warm_up()
        return {
            str(steps): round(statistics.median(_rounds(sampler, steps)), 1)
            for steps in spec.limits.num_inference_steps
        }
    finally:
        torch.set_num_threads(threads)


def _rounds(sampler: Sampler, steps: int) -> list[float]:
    width, height = MINIATURE.sizes[0]
    times = []
    for number in range(ROUNDS):
        prompt = f"a red house number {number} by the sea"
        started = time.perf_counter()
        row = sampler.begin(GenerationRequest(prompt, "", steps, 0.0, number, width, height))
        while not row.done:
            sampler.step([row])
        sampler.finish(row)
        times.append(1000 * (time.perf_counter() - started))
    return times
