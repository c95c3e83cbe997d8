"""Rows of several pictures through one UNet call: what a further row costs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import torch

from ..images import encode_jpeg
from ..model.compile.compiled_functions import CompiledFunctions
from ..model.compile.speed import Speed
from ..model.sampling.sampler import Sampler
from ..model.sampling.step import Row, call_unet, euler_step
from ..schemas import GenerationRequest
from .timing import Clock

log = logging.getLogger(__name__)


class Batch:
    """Paints several pictures together, each step one UNet call."""

    def __init__(self, sampler: Sampler, speed: Speed) -> None:
        """
        Args:
            speed: the sampler's own; each number of rows is learned when first met.
        """
        self._sampler, self._speed, self._tiers = sampler, speed, CompiledFunctions(speed)

    @torch.inference_mode()
    def step(self, rows: Sequence[Row]) -> None:
        """One step of every row."""
        unet = self._sampler.unet(rows[0].request.num_inference_steps)
        call = partial(self._tiers.call, "unet", call_unet)
        with self._tiers.compiling("unet"):
            latents, denoised = euler_step(
                unet, rows, call, projected=self._speed.cross_attention_cache
            )
        for index, row in enumerate(rows):
            row.latents = latents[index : index + 1]
            row.denoised = denoised[index : index + 1]
            row.step += 1

    def paint(self, requests: Sequence[GenerationRequest]) -> None:
        """All pictures from their prompts to JPEG, by the preview's decoder."""
        rows = [self._sampler.begin(request) for request in requests]
        while not rows[0].done:
            self.step(rows)
        for row in rows:
            encode_jpeg(self._sampler.preview(row))


def measure_batches(
    batch: Batch,
    sampler: Sampler,
    ask: Callable[[], GenerationRequest],
    sizes: Sequence[int],
    rounds: int,
    clock: Clock,
) -> dict[str, dict[str, float]]:
    """By batch size: milliseconds of a step, and pictures per second from prompt to JPEG."""
    measured = {}
    for size in sizes:
        rows = [sampler.begin(ask()) for _ in range(size)]

        def step(rows: Sequence[Row] = rows) -> None:
            for row in rows:
                row.step = 0
            batch.step(rows)

        def together(size: int = size) -> None:
            batch.paint([ask() for _ in range(size)])

        try:
            taken = clock.median(together, rounds)
        except torch.OutOfMemoryError:
            log.warning("%d pictures together do not fit into the memory", size)
            break
        measured[str(size)] = {
            "step_ms": round(clock.median(step, rounds), 2),
            "images_per_second": round(1000 * size / taken, 2),
        }
    return measured
