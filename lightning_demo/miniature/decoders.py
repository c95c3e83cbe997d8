"""Trains decoders on the latents of a finished encoder, and of students."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from .autoencoder import reconstruction_loss
from .config import LrPlan, TrainingConfig
from .patch import PatchLoss
from .repainted import Painted, cut
from .stage_files import load_stage, start_of
from .training import Length, Moment, Stage, run_stage


def train_decoder(
    name: str,
    decoder: nn.Module,
    lr: LrPlan,
    painted: list[Painted],
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
    *,
    critic: bool = False,
) -> list[float]:
    """Trains a decoder; latents stay as they are, so this can happen after everything else.

    It begins with `<name>-start.pt` of the folder, if that is there: a stage's own result, renamed,
    is so trained further.

    Args:
        critic: whether a critic of patches helps, as for the autoencoder's own.
    """
    load_stage(folder, start_of(name), {"decoder": decoder})
    adversarial = PatchLoss(config, device) if critic else None
    decoder.to(device, memory_format=torch.channels_last).train().requires_grad_(True)

    def loss(at: Moment) -> torch.Tensor:
        real, latents = cut(painted, config.decoder_batch, config.decoder_side, at.generator)
        real = real.to(device).contiguous(memory_format=torch.channels_last)
        noise = torch.randn(latents.shape, generator=at.generator)
        made = decoder((latents + config.latent_noise * noise).to(device))
        error = reconstruction_loss(made, real)
        return (
            error + adversarial.decoder_loss(at.progress, made.float(), real)
            if adversarial
            else error
        )

    rival = adversarial.rival if adversarial else None
    stage = Stage(name, {"decoder": decoder}, loss, lr, ema_decay=0.995, rival=rival)
    return run_stage(stage, length, folder, config)
