"""Trains the teacher: the many-step model that the few-step ones are distilled from."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from .config import TrainingConfig
from .dataset import Dataset
from .diffusion import TRAIN_TIMESTEPS, add_noise, min_snr_weight, predict
from .training import Length, Stage, run_stage

EMPTY_SHARE = 0.02  # of the texts are "": what the model draws before anyone has typed
CROP_SHARE = 0.25


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
    """Noise prediction with min-SNR weights; the text encoders stay as pretrained, as SDXL's do."""
    unet.to(device).train()

    def loss(generator: torch.Generator, progress: float) -> torch.Tensor:
        size = config.teacher_batch
        batch = dataset.draw(
            size, generator, device, empty_share=EMPTY_SHARE, crop_share=CROP_SHARE
        )
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        # Stratified: each batch covers all noise levels evenly.
        lots = (torch.arange(size) + torch.rand(size, generator=generator)) / size
        timesteps = (lots * TRAIN_TIMESTEPS).long().clamp(max=TRAIN_TIMESTEPS - 1).to(device)
        keep = (torch.rand(size, generator=generator) >= config.text_drop).to(device)
        noisy = add_noise(batch.latents, noise, timesteps)
        output = predict(unet, noisy, timesteps, batch.given.with_text_where(keep))
        errors = (output - noise).square().mean((1, 2, 3))
        return (errors * min_snr_weight(timesteps, config.min_snr_gamma)).mean()

    stage = Stage("teacher", {"unet": unet}, loss, config.teacher_lr, config.teacher_ema)
    return run_stage(stage, length, folder, config, stop_after=stop_after)
