"""How rows are put into calls of the model: all in one, filled up, or one by one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from ..compile.compiled_functions import CompiledFunctions, Kind
from ..compile.speed import Speed
from .decode import VAE, decode, render
from .step import Row, denoising_step, step_inputs


class BatchCalls:
    """Calls the model for batches, so that as many calls as possible are compiled ones."""

    def __init__(self, functions: CompiledFunctions, speed: Speed) -> None:
        self._functions = functions
        self._projected = speed.cross_attention_cache
        # A call of several takes as long there as one after another.
        self._one_by_one = speed.compile_backend == "openvino"

    def step(self, unet: UNet2DConditionModel, rows: Sequence[Row]) -> None:
        """Takes one step of every row; they change only after all of it is computed.

        Call it in `torch.inference_mode`.
        """
        parts = self._parts(unet, rows)
        computed = [self._stepped(unet, part) for part in parts]
        for part, (latents, denoised) in zip(parts, computed, strict=True):
            for index, row in enumerate(part):
                row.latents = latents[index : index + 1]
                row.denoised = denoised[index : index + 1]
                row.step += 1

    def decode(self, kind: Kind, vae: VAE, latents: Sequence[torch.Tensor]) -> list[np.ndarray]:
        """Each one's picture, uint8 [height, width, 3]; latents are [1, 4, h, w] each."""
        call = partial(self._functions.call, kind, render)
        ready = partial(self._functions.ready, kind, vae)
        shape = latents[0].shape if latents else (0,)
        if self._one_by_one and ready(shape) and not ready((len(latents), *shape[1:])):
            return [picture for each in latents for picture in decode(vae, each, call)]
        return decode(vae, torch.cat(list(latents)), call)

    def _stepped(
        self, unet: UNet2DConditionModel, rows: Sequence[Row]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The latents after a step of one call, and what it takes the pictures for."""
        batch = [*rows, *self._padding(unet, rows)]
        inputs = step_inputs(batch, projected=self._projected)
        latents, denoised = self._functions.call("unet", denoising_step, unet, *inputs)
        return latents, denoised

    def _parts(self, unet: UNet2DConditionModel, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """The rows of each call: one, where that has a program and all together have none."""
        ready = partial(self._functions.ready, "unet", unet)
        # Long prompts are in no program of one row.
        if not self._one_by_one or rows[0].chunks > 1 or ready(*_shapes(rows)):
            return [rows]
        alone: list[Sequence[Row]] = []
        together: list[Row] = []
        for row in rows:
            if ready(*_shapes([row])):
                alone.append([row])
            else:
                together.append(row)
        return [*alone, together] if together else alone

    def _padding(self, unet: UNet2DConditionModel, rows: Sequence[Row]) -> list[Row]:
        """Copies of the last row that fill the batch up to the next size that is compiled.

        A compiled call of four rows is faster than an eager one of three. Empty where the batch
        itself is compiled, or nothing larger; long prompts are in no compiled call of their own.
        """
        if rows[0].chunks > 1:
            return []
        for more in range(len(rows) + 1):
            padding = [rows[-1]] * more
            if self._functions.ready("unet", unet, *_shapes([*rows, *padding])):
                return padding
        return []


def _shapes(batch: Sequence[Row]) -> tuple[tuple[int, ...], tuple[int]]:
    """Of the first two tensors of `denoising_step`: they tell one call of it from another."""
    sample = batch[0].latents.shape[1:]
    return (len(batch), *sample), (sum(row.request.unet_rows for row in batch),)
