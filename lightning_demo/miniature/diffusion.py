"""The mathematics of noising and denoising, in SDXL's variance-preserving form.

x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps, a_t the scheduler's alphas_cumprod. A deterministic DDIM
step (arXiv 2010.02502, eq. 12) in this form is an Euler step in sigma, which is what
EulerDiscreteScheduler does.

The network predicts the velocity v = sqrt(a_t) eps - sqrt(1 - a_t) x_0 (arXiv 2202.00512, section
4). In noise a predicted eps says next to nothing of the picture: its error counts 14.6 times over
in x_0 at t = 999, where the form is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from diffusers import UNet2DConditionModel

from ..model.sampling.schedule import schedule
from .architecture import build_scheduler

TRAIN_TIMESTEPS = 1000
END = -1  # the timestep after the last: no noise


@dataclass(frozen=True)
class Conditioning:
    """What the UNet is told besides latents and timestep."""

    states: torch.Tensor  # [B, 32, 224]
    pooled: torch.Tensor  # [B, 128]
    time_ids: torch.Tensor  # [B, 6]: original height, width, crop top, left, target height, width

    def without_text(self) -> Conditioning:
        """The same with zeros for text, as the pipeline makes of an empty negative prompt."""
        return Conditioning(
            torch.zeros_like(self.states), torch.zeros_like(self.pooled), self.time_ids
        )

    def with_text_where(self, keep: torch.Tensor) -> Conditioning:
        """The same with zeros for text in the rows where keep [B] is false."""
        rows = keep.float()
        return Conditioning(
            self.states * rows[:, None, None], self.pooled * rows[:, None], self.time_ids
        )

    def joined(self, other: Conditioning) -> Conditioning:
        """Both, one after the other in the batch."""
        return Conditioning(
            torch.cat((self.states, other.states)),
            torch.cat((self.pooled, other.pooled)),
            torch.cat((self.time_ids, other.time_ids)),
        )


def make_time_ids(
    batch: int,
    width: int,
    height: int,
    device: torch.device,
    *,
    original: tuple[int, int] | None = None,
    crop: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """SDXL's micro-conditioning (arXiv 2307.01952, section 2.2), [B, 6], pixels.

    Args:
        width: and height, of the picture as it is drawn (SDXL's target size).
        original: width and height of what it was cut from; None: the same.
        crop: left and top of the cut.
    """
    from_width, from_height = original or (width, height)
    row = torch.tensor(
        [from_height, from_width, crop[1], crop[0], height, width],
        dtype=torch.float32,
        device=device,
    )
    return row.expand(batch, 6)


def alphas(timesteps: torch.Tensor) -> torch.Tensor:
    """a_t for timesteps [B], END meaning 1; [B, 1, 1, 1]."""
    # Index -1 is the appended 1.
    return _alphas_table(timesteps.device)[timesteps][:, None, None, None]


@cache
def _alphas_table(device: torch.device) -> torch.Tensor:
    return torch.cat((build_scheduler().alphas_cumprod, torch.ones(1))).to(device)


def add_noise(x0: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """x_t of clean latents [B, 4, h, w]."""
    a = alphas(timesteps)
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


def velocity(x0: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """What the network should say at x_t of these latents and this noise, [B, 4, h, w]."""
    a = alphas(timesteps)
    return a.sqrt() * noise - (1 - a).sqrt() * x0


def predict(
    unet: UNet2DConditionModel, x: torch.Tensor, timesteps: torch.Tensor, given: Conditioning
) -> torch.Tensor:
    """The UNet's raw output, float32."""
    output = unet(
        x,
        timesteps,
        encoder_hidden_states=given.states,
        added_cond_kwargs={"text_embeds": given.pooled, "time_ids": given.time_ids},
    ).sample
    return output.float()


def predict_guided(
    unet: UNet2DConditionModel,
    x: torch.Tensor,
    timesteps: torch.Tensor,
    given: Conditioning,
    guidance_scale: float,
) -> torch.Tensor:
    """The velocity under classifier-free guidance (arXiv 2207.12598); 1 and below: none."""
    if guidance_scale <= 1:
        return predict(unet, x, timesteps, given)
    both = given.joined(given.without_text())
    output = predict(unet, torch.cat((x, x)), torch.cat((timesteps, timesteps)), both)
    with_text, without = output.chunk(2)
    return without + guidance_scale * (with_text - without)


def estimate(x: torch.Tensor, predicted: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """The clean latents that a predicted velocity means at x, [B, 4, h, w]."""
    a = alphas(timesteps)
    return a.sqrt() * x - (1 - a).sqrt() * predicted


def ddim_step(
    x: torch.Tensor, predicted: torch.Tensor, timesteps: torch.Tensor, following: torch.Tensor
) -> torch.Tensor:
    """x at `following` from x at `timesteps` and the predicted velocity."""
    a, b = alphas(timesteps), alphas(following)
    x0 = estimate(x, predicted, timesteps)
    noise = (1 - a).sqrt() * x + a.sqrt() * predicted
    return b.sqrt() * x0 + (1 - b).sqrt() * noise


def trailing_timesteps(num_inference_steps: int) -> list[int]:
    """Lightning's timesteps, from 999 down; equal to the scheduler's with trailing spacing."""
    return [int(timestep) for timestep in schedule(num_inference_steps, "v_prediction").timesteps]


@torch.no_grad()
def solve(
    unet: UNet2DConditionModel,
    x: torch.Tensor,
    timesteps: list[torch.Tensor],
    given: Conditioning,
    guidance_scale: float,
) -> torch.Tensor:
    """Follows the deterministic path through `timesteps` ([B] each); returns x at the last."""
    for now, following in zip(timesteps, timesteps[1:], strict=False):
        x = ddim_step(x, predict_guided(unet, x, now, given, guidance_scale), now, following)
    return x


@torch.no_grad()
def sample_latents(
    unet: UNet2DConditionModel,
    noise: torch.Tensor,
    given: Conditioning,
    num_inference_steps: int,
    guidance_scale: float = 0.0,
    prediction_type: str = "v_prediction",
) -> torch.Tensor:
    """Latents from noise [B, 4, h, w]."""
    grid = [*trailing_timesteps(num_inference_steps), END]
    rows = [torch.full((len(noise),), t, device=noise.device) for t in grid]
    if prediction_type == "sample":
        return predict(unet, noise, rows[0], given)
    return solve(unet, noise, rows, given, guidance_scale)
