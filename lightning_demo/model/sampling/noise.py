"""The noise that a picture begins with."""

from __future__ import annotations

import torch

from ...schemas import GenerationRequest
from .slerp import slerp_noise


def initial_noise(request: GenerationRequest, shape: tuple[int, ...]) -> torch.Tensor:
    """Standard normal noise of a shape on the CPU, so that a seed means the same on every device.

    With a variation, that of the request's seed turned towards that of the variation's.
    """
    noise = _noise(shape, request.seed)
    if not request.variation_strength:
        return noise
    other = _noise(shape, request.variation_seed)
    return slerp_noise(noise, other, request.variation_strength)


def _noise(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(
        shape,
        generator=torch.Generator("cpu").manual_seed(seed),
        dtype=torch.float32,  # transformers may be changing the default dtype
    )
