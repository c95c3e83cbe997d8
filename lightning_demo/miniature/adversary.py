"""The discriminator of SDXL-Lightning (arXiv 2402.13929, section 3.2): it judges latents.

Its backbone is the teacher's own encoder (conv_in, down blocks, mid block), which already knows
noised latents, timesteps and prompts; a small head turns its features into one logit.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch.nn import functional

from .config import TrainingConfig
from .diffusion import END, Conditioning, add_noise
from .training import Rival

# Where clean latents are judged: noise blurs what is impossible to tell apart at first.
JUDGED_AT = (10, 100, 250, 450)


class Discriminator(nn.Module):
    """Logits of latents at a timestep, given the prompt and, if conditional, where they came from.

    The conditional form (eq. 9) asks whether the student's jump from x_t lands where the teacher's
    does; the relaxed one (section 3.3) only whether such latents exist at all, which lets a student
    that cannot follow the path stay sharp.
    """

    def __init__(self, teacher: UNet2DConditionModel, *, conditional: bool) -> None:
        super().__init__()
        self.conditional = conditional
        self.unet = copy.deepcopy(teacher).requires_grad_(True).train()
        width = self.unet.config["block_out_channels"][-1]
        for unused in ("up_blocks", "conv_norm_out", "conv_act", "conv_out"):
            delattr(self.unet, unused)
        self.head = nn.Sequential(
            nn.Conv2d(width * (2 if conditional else 1), width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, 1, 1),
        )

    def features(
        self, x: torch.Tensor, timesteps: torch.Tensor, given: Conditioning
    ) -> torch.Tensor:
        """[B, 4, h, w] -> [B, width, h/4, w/4], what the teacher's mid block makes of it."""
        unet = self.unet
        time = unet.time_embedding(unet.get_time_embed(x, timesteps))
        extra = {"text_embeds": given.pooled, "time_ids": given.time_ids}
        time = time + unet.get_aug_embed(time, given.states, extra)
        hidden = unet.conv_in(x)
        for block in unet.down_blocks:
            if getattr(block, "has_cross_attention", False):
                hidden, _ = block(hidden, time, encoder_hidden_states=given.states)
            else:
                hidden, _ = block(hidden, time)
        return unet.mid_block(hidden, time, encoder_hidden_states=given.states)

    def forward(
        self, landed: torch.Tensor, start: torch.Tensor, times: Times, given: Conditioning
    ) -> torch.Tensor:
        """Logits [B] of latents at `times.end`, reached from `start` at `times.start`."""
        if self.conditional:
            both = self.features(
                torch.cat((landed, start)),
                torch.cat((times.end, times.start)),
                given.joined(given),
            )
            seen = torch.cat(both.chunk(2), dim=1)
        else:
            seen = self.features(landed, times.end, given)
        return self.head(seen).float().mean((1, 2, 3))


@dataclass(frozen=True)
class Times:
    """Timesteps [B] of a jump: where it starts and where its landing is judged."""

    start: torch.Tensor
    end: torch.Tensor


@dataclass
class AdversarialLoss:
    """Both discriminators beside one student: which one judges, and what it has last seen."""

    conditional: Discriminator | None
    relaxed: Discriminator
    config: TrainingConfig
    _seen: tuple[Discriminator, tuple[torch.Tensor, ...], Times, Conditioning] | None = field(
        default=None, init=False
    )

    @property
    def rival(self) -> Rival:
        """For the stage that trains the student."""
        modules: dict[str, nn.Module] = {"relaxed": self.relaxed}
        if self.conditional is not None:
            modules["conditional"] = self.conditional
        return Rival(modules, self.rival_loss, self.config.discriminator_lr)

    def judge_at(self, progress: float) -> Discriminator | None:
        """Nobody first, then the conditional one, then the relaxed one."""
        if progress < self.config.adversarial_from:
            return None
        if self.conditional is None or progress >= self.config.relaxed_from:
            return self.relaxed
        return self.conditional

    def student_loss(
        self,
        progress: float,
        landed: torch.Tensor,
        target: torch.Tensor,
        start: torch.Tensor,
        times: Times,
        given: Conditioning,
        generator: torch.Generator,
    ) -> torch.Tensor | float:
        """The non-saturating loss that pulls the landing towards what passes for the teacher's.

        Args:
            landed: [B, 4, h, w] at `times.end` (END: clean), as is `target`.
            start: [B, 4, h, w] at `times.start`.
        """
        judge = self.judge_at(progress)
        self._seen = None
        if judge is None:
            return 0.0
        choice = torch.randint(len(JUDGED_AT), (len(landed),), generator=generator)
        levels = torch.tensor(JUDGED_AT)[choice].to(landed.device)
        noise = torch.randn(landed.shape, generator=generator).to(landed.device)
        clean = times.end == END
        rows = clean[:, None, None, None]
        landed = torch.where(rows, add_noise(landed, noise, levels), landed)
        target = torch.where(rows, add_noise(target, noise, levels), target)
        judged = Times(times.start, torch.where(clean, levels, times.end))
        self._seen = (judge, (landed.detach(), target, start), judged, given)
        return functional.softplus(-judge(landed, start, judged, given)).mean()

    def rival_loss(self) -> torch.Tensor | None:
        """Logistic: the teacher's landing is real, the student's is not."""
        if self._seen is None:
            return None
        judge, (landed, target, start), times, given = self._seen
        real = functional.softplus(-judge(target, start, times, given))
        made = functional.softplus(judge(landed, start, times, given))
        return real.mean() + made.mean()
