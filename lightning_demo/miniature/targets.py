"""What the 1-step student learns: pictures that its teacher paints of noise, each used a few times.

The teacher takes about as long for a batch as the student to learn it, so batches are used again.
Few pictures used over and over are learnt by heart: once each of 24 000 had been used three times,
the squared error was .113 of these and .139 of others. So a block of batches is used `USES` times,
and then the next block is painted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from .dataset import Dataset
from .diffusion import Conditioning, sample_latents
from .training import step_generator

USES = 3
BLOCK = 64  # batches


@dataclass(frozen=True)
class Target:
    """A batch of noises with the latents that the teacher makes of them."""

    noise: torch.Tensor
    latents: torch.Tensor
    given: Conditioning


class Targets:
    """The batch of each training step of this process, painted when it is first used."""

    def __init__(
        self,
        teacher: UNet2DConditionModel,
        num_inference_steps: int,
        dataset: Dataset,
        batch: int,
        seed: int,
        device: torch.device,
    ) -> None:
        """
        Args:
            num_inference_steps: of the teacher.
            dataset: whose captions and sizes are painted.
            batch: pictures of a target.
        """
        self._teacher = teacher.to(device).eval()
        self._steps = num_inference_steps
        self._dataset = dataset
        self._batch = batch
        self._seed = seed
        self._device = device
        self._block = -1
        self._painted: dict[int, Target] = {}

    def __getitem__(self, step: int) -> Target:
        """What is learnt at a step; the same whichever steps were asked for before."""
        number = target_number(step)
        if number // BLOCK != self._block:
            self._block = number // BLOCK
            self._painted.clear()
        if number not in self._painted:
            self._painted[number] = self._paint(number)
        return self._painted[number]

    @torch.no_grad()
    def _paint(self, number: int) -> Target:
        generator = step_generator(self._seed, number)
        batch = self._dataset.draw(self._batch, generator, self._device)
        noise = torch.randn(batch.latents.shape, generator=generator).to(self._device)
        made = sample_latents(self._teacher, noise, batch.given, self._steps)
        return Target(noise, made, batch.given)


def target_number(step: int) -> int:
    """Which batch is learnt at a step, both from 0: those of a block in turn, `USES` times."""
    block, within = divmod(step, BLOCK * USES)
    return block * BLOCK + within % BLOCK
