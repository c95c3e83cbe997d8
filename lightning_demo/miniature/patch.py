"""The critic of patches: what makes a decoder's edges crisp (PatchGAN, arXiv 1611.07004)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from .config import TrainingConfig
from .training import Rival


class PatchCritic(nn.Module):
    """[B, 3, H, W] from -1 to 1 -> a logit for every patch of 22 pixels, [B, 1, H/4, W/4]."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.GroupNorm(8, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1),
            nn.GroupNorm(8, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Positive where a patch looks real."""
        return self.layers(pixels)


class PatchLoss:
    """A critic beside one decoder, from some point of its stage on."""

    def __init__(self, config: TrainingConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.critic = PatchCritic().to(device, memory_format=torch.channels_last)
        self._seen: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def rival(self) -> Rival:
        """For the stage that trains the decoder."""
        return Rival({"critic": self.critic}, self.rival_loss, self.config.discriminator_lr)

    def decoder_loss(
        self, progress: float, made: torch.Tensor, real: torch.Tensor
    ) -> torch.Tensor | float:
        """Weighted; 0 until the critic's time has come."""
        self._seen = None
        if progress < self.config.patch_from:
            return 0.0
        self._seen = (made.detach(), real)
        doubt = self.critic(made)
        return self.config.patch_weight * functional.softplus(-doubt.float()).mean()

    def rival_loss(self) -> torch.Tensor | None:
        """Logistic, over all patches."""
        if self._seen is None:
            return None
        made, real = self._seen
        logits = self.critic(torch.cat((made, real))).float()
        fake, true = logits.chunk(2)
        return functional.softplus(fake).mean() + functional.softplus(-true).mean()
