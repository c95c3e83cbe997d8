"""Trains the teacher: the many-step model that the few-step ones are distilled from."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from .config import TrainingConfig
from .dataset import Dataset
from .diffusion import TRAIN_TIMESTEPS, add_noise, predict, velocity
from .stage_files import load_stage, start_of
from .training import Length, Moment, Stage, run_stage

EMPTY_SHARE = 0.02  # of the texts are "": what the model draws before anyone has typed
CROP_SHARE = 0.25
FORM_SHARE = 0.4  # of the timesteps are drawn from those where form is decided
FORM_TIMESTEPS = (400, 900)


def train_teacher(
    unet: UNet2DConditionModel,
    dataset: Dataset,
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
    *,
    stop_after: int | None = None,
) -> list[float]:
    """Velocity prediction; the text encoders stay as pretrained, as SDXL's do."""
    load_stage(folder, start_of("teacher"), {"unet": unet})
    unet.to(device).train()

    def loss(at: Moment) -> torch.Tensor:
        size = config.teacher_batch
        batch = dataset.draw(
            size, at.generator, device, empty_share=EMPTY_SHARE, crop_share=CROP_SHARE
        )
        noise = torch.randn(batch.latents.shape, generator=at.generator).to(device)
        timesteps = draw_timesteps(size, at.generator).to(device)
        keep = (torch.rand(size, generator=at.generator) >= config.text_drop).to(device)
        noisy = add_noise(batch.latents, noise, timesteps)
        output = predict(unet, noisy, timesteps, batch.given.with_text_where(keep))
        return (output - velocity(batch.latents, noise, timesteps)).square().mean()

    stage = Stage("teacher", {"unet": unet}, loss, config.teacher_lr, config.teacher_ema)
    return run_stage(stage, length, folder, config, stop_after=stop_after)


def draw_timesteps(size: int, generator: torch.Generator) -> torch.Tensor:
    """Timesteps [size], stratified, so that each batch covers the noise levels alike."""
    lots = (torch.arange(size) + torch.rand(size, generator=generator)) / size
    low, high = FORM_TIMESTEPS
    form = low + lots / FORM_SHARE * (high - low)
    rest = (lots - FORM_SHARE) / (1 - FORM_SHARE) * TRAIN_TIMESTEPS
    return torch.where(lots < FORM_SHARE, form, rest).long().clamp(0, TRAIN_TIMESTEPS - 1)
