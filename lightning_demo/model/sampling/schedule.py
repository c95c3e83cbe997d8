"""Immutable tables of timesteps, sigmas and step coefficients.

SDXL's noise schedule: `scaled_linear` betas from 0.00085 to 0.012 over 1000 timesteps, read with
"trailing" spacing (Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed",
arXiv 2305.08891, table 2), as SDXL-Lightning was distilled. Every number is computed in float32 in
the order in which diffusers' EulerDiscreteScheduler computes it, so that a sampler built on these
tables agrees with it bit for bit. The tables are immutable: through a shared, mutable scheduler
object one request's settings would leak into another's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import get_args

import numpy as np
import torch

from ..weights.model_spec import PredictionType

NUM_TRAIN_TIMESTEPS = 1000
BETA_START = 0.00085
BETA_END = 0.012


@dataclass(frozen=True, slots=True)
class StepCoefficients:
    """One Euler step of one row, as plain numbers (float32 values).

    With latents x and the UNet's output o:
        input    = x / scale
        denoised = x / p + q o
        x'       = x + (x - denoised) / sigma * dt
    epsilon: p 1, q -sigma; sample: p infinite, q 1; v_prediction (arXiv 2202.00512, section 4, in
    terms of sigma): p sigma^2 + 1, q -sigma / sqrt(sigma^2 + 1).
    """

    timestep: float
    scale: float  # sqrt(sigma^2 + 1)
    p: float
    q: float
    sigma: float
    dt: float  # next sigma - sigma


@dataclass(frozen=True, slots=True)
class Schedule:
    """All steps of one (num_inference_steps, prediction_type)."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]  # one more than timesteps; the last is 0
    steps: tuple[StepCoefficients, ...]

    @property
    def init_noise_sigma(self) -> float:
        """Standard deviation of the latents before the first step."""
        return self.sigmas[0]


@cache
def schedule(num_inference_steps: int, prediction_type: PredictionType) -> Schedule:
    """The table for one step count.

    Raises:
        ValueError: when the count is not in 1 … 1000 or the prediction type is unknown.
    """
    if not 1 <= num_inference_steps <= NUM_TRAIN_TIMESTEPS:
        raise ValueError(f"num_inference_steps must be 1 to {NUM_TRAIN_TIMESTEPS}")
    if prediction_type not in get_args(PredictionType):
        raise ValueError(f"prediction_type must be one of {', '.join(get_args(PredictionType))}")
    timesteps = _trailing_timesteps(num_inference_steps)
    sigmas = torch.cat([_train_sigmas()[timesteps.long()], torch.zeros(1)])
    scales = (sigmas**2 + 1) ** 0.5
    differences = sigmas[1:] - sigmas[:-1]
    p, q = _denoised_coefficients(sigmas[:-1], prediction_type)
    steps = tuple(
        StepCoefficients(
            timestep=float(timesteps[i]),
            scale=float(scales[i]),
            p=float(p[i]),
            q=float(q[i]),
            sigma=float(sigmas[i]),
            dt=float(differences[i]),
        )
        for i in range(num_inference_steps)
    )
    return Schedule(tuple(timesteps.tolist()), tuple(sigmas.tolist()), steps)


def _denoised_coefficients(
    sigmas: torch.Tensor, prediction_type: PredictionType
) -> tuple[torch.Tensor, torch.Tensor]:
    """`p` and `q` of every step, float32, in diffusers' order of operations."""
    ones = torch.ones_like(sigmas)
    if prediction_type == "sample":
        return ones * math.inf, ones
    if prediction_type == "epsilon":
        return ones, -sigmas
    return sigmas**2 + 1, -sigmas / (sigmas**2 + 1) ** 0.5


def _trailing_timesteps(num_inference_steps: int) -> torch.Tensor:
    """float32 [N], descending from 999: the end of each of N equal parts of the schedule."""
    ends = np.arange(NUM_TRAIN_TIMESTEPS, 0, -NUM_TRAIN_TIMESTEPS / num_inference_steps).round()
    return torch.from_numpy(ends.astype(np.float32)) - 1


@cache
def _train_sigmas() -> torch.Tensor:
    """float32 [1000], ascending: sigma at each training timestep."""
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, NUM_TRAIN_TIMESTEPS) ** 2
    alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
    return ((1 - alphas_cumprod) / alphas_cumprod) ** 0.5
