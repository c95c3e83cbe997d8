"""Latents to pixels, rounded to uint8 on the device: a quarter of the bytes to copy."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from ...errors import GenerationFailed
from ..compile.folded_decoder import FoldedTiny, part
from ..device import synchronize

log = logging.getLogger(__name__)

VAE: TypeAlias = AutoencoderKL | AutoencoderTiny
_BUFFERS: dict[tuple[int, torch.Size, torch.dtype], torch.Tensor] = {}  # of each thread
_FLOAT32: WeakKeyDictionary[VAE, VAE] = WeakKeyDictionary()
# (VAE, latents) -> pixels by the cell, whether all values were finite; as `render`
RenderCall = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def render(vae: VAE | FoldedTiny, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels of latents, and whether every value was finite: tensors only, to be compiled.

    Args:
        latents: [B, 4, h, w] in the VAE's dtype, not yet unscaled.

    Returns:
        uint8 [B, height, width, 3], of a folded VAE still by the cell (see `part`), and bool [].
    """
    if isinstance(vae, FoldedTiny):
        return vae(latents)
    image = vae.decode(latents, return_dict=False)[0].float()
    pixels = image.mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8)
    # Both ends: a compiled ReLU may make 0 of NaN.
    finite = torch.isfinite(latents).all() & torch.isfinite(image).all()
    return pixels.permute(0, 2, 3, 1), finite


@torch.inference_mode()
def decode(vae: VAE, latents: torch.Tensor, call: RenderCall = render) -> list[np.ndarray]:
    """Pictures of latents [B, 4, h, w] in the host's memory, uint8 [height, width, 3] each.

    Half precision can overflow in a decoder; then the pictures are decoded once more in float32.

    Raises:
        GenerationFailed: a picture has NaN or infinite values even so. Rounding would silently
            turn them into black.
    """
    dtype = next(vae.parameters()).dtype
    scaled = latents / vae.config.scaling_factor
    pixels, finite = _to_host(*call(vae, scaled.to(dtype)))
    if not finite and dtype != torch.float32:
        log.warning("a decode in %s overflowed; once more in float32", dtype)
        pixels, finite = _to_host(*render(_in_float32(vae), scaled.float()))
    if not finite:
        raise GenerationFailed(
            "This picture could not be computed: the model returned NaN or infinite values. "
            "Try another seed or prompt."
        )
    return list(part(pixels).numpy())


def _in_float32(vae: VAE) -> VAE:
    """A copy: CUDA graphs and compiled code keep the addresses of the VAE's parameters.

    It stays, because a decoder that has overflowed once will do so again.
    """
    if vae not in _FLOAT32:
        _FLOAT32[vae] = copy.deepcopy(vae).float()
    return _FLOAT32[vae]


def _to_host(pixels: torch.Tensor, finite: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Both in the host's memory; a GPU is waited for once, and copies into page-locked memory.

    Those buffers stay for ever: freeing one that a lost GPU was copying to ends the process.
    """
    device = pixels.device
    if device.type != "cuda":
        return pixels.cpu(), bool(finite)
    try:
        here = [_page_locked(tensor) for tensor in (pixels, finite)]
    except RuntimeError:  # no page-locked memory
        return pixels.cpu(), bool(finite)
    for mine, theirs in zip(here, (pixels, finite), strict=True):
        mine.copy_(theirs, non_blocking=True)
    synchronize(device)
    return here[0].clone(), bool(here[1])


def _page_locked(like: torch.Tensor) -> torch.Tensor:
    key = (threading.get_ident(), like.shape, like.dtype)
    if key not in _BUFFERS:
        _BUFFERS[key] = torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
    return _BUFFERS[key]
