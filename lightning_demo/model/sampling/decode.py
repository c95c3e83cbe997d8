"""Latents to pixels, rounded to uint8 on the device: a quarter of the bytes to copy."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from ...errors import GenerationFailed

log = logging.getLogger(__name__)

VAE: TypeAlias = AutoencoderKL | AutoencoderTiny
_FLOAT32: WeakKeyDictionary[VAE, VAE] = WeakKeyDictionary()
# (VAE, latents) -> pixels, whether all values were finite; as `render`
RenderCall = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def render(vae: VAE, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels of latents, and whether every value was finite: tensors only, to be compiled.

    Args:
        latents: [B, 4, h, w] in the VAE's dtype, not yet unscaled.

    Returns:
        uint8 [B, height, width, 3] and bool [].
    """
    image = vae.decode(latents, return_dict=False)[0].float()
    pixels = image.mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1), torch.isfinite(image).all()


@torch.inference_mode()
def decode(vae: VAE, latents: torch.Tensor, call: RenderCall = render) -> torch.Tensor:
    """uint8 [B, height, width, 3] of latents [B, 4, h, w], on their device.

    Half precision can overflow in a decoder; then the picture is decoded once more in float32.

    Raises:
        GenerationFailed: the picture has NaN or infinite values even so. Rounding would silently
            turn them into black.
    """
    dtype = next(vae.parameters()).dtype
    scaled = latents / vae.config.scaling_factor
    pixels, finite = call(vae, scaled.to(dtype))
    if not finite and dtype != torch.float32:
        log.warning("a decode in %s overflowed; once more in float32", dtype)
        pixels, finite = render(_in_float32(vae), scaled.float())
    if not finite:
        raise GenerationFailed(
            "This picture could not be computed: the model returned NaN or infinite values. "
            "Try another seed or prompt."
        )
    return pixels


def _in_float32(vae: VAE) -> VAE:
    """A copy: CUDA graphs and compiled code keep the addresses of the VAE's parameters.

    It stays, because a decoder that has overflowed once will do so again.
    """
    if vae not in _FLOAT32:
        _FLOAT32[vae] = copy.deepcopy(vae).float()
    return _FLOAT32[vae]


def to_host(pixels: torch.Tensor) -> list[np.ndarray]:
    """Each picture in the host's memory; from a GPU through page-locked memory, which is faster."""
    if pixels.device.type != "cuda":
        return list(pixels.cpu().numpy())
    try:
        host = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
    except RuntimeError:  # no page-locked memory
        return list(pixels.cpu().numpy())
    host.copy_(pixels, non_blocking=True)
    torch.cuda.current_stream(pixels.device).synchronize()
    return list(host.numpy())
