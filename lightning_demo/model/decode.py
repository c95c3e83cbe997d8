"""Latents to pixels, quantised where they are so that a quarter of the bytes travel."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from ..errors import GenerationFailed


@torch.inference_mode()
def decode(vae: AutoencoderKL | AutoencoderTiny, latents: torch.Tensor) -> torch.Tensor:
    """uint8 [B, height, width, 3] of latents [B, 4, height / 8, width / 8], on their device.

    Raises:
        GenerationFailed: the decoded picture has a value that is not finite. Rounding would turn
            it into black without a word.
    """
    scaled = latents / vae.config.scaling_factor
    image = vae.decode(scaled.to(next(vae.parameters()).dtype), return_dict=False)[0].float()
    if not torch.isfinite(image).all():
        raise GenerationFailed(
            "This picture could not be computed: the model gave values that are no numbers. "
            "Try another seed or prompt."
        )
    return image.mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
