"""Weights in page-locked memory, from which a GPU copies several times as fast.

torch rounds every page-locked block up to a power of two: tensor by tensor, the 5.1 GB of a UNet
would take 6.7. Here they are packed into blocks that are a power of two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch

from ..host_memory import host_has_room

log = logging.getLogger(__name__)

BLOCK_BYTES = 2**28
ALIGNMENT = 256  # bytes; more than any dtype or copy engine asks for

Allocate = Callable[[int], torch.Tensor]  # bytes -> uint8 [bytes]


def page_lock(
    weights: Mapping[str, torch.Tensor], device: torch.device
) -> dict[str, torch.Tensor] | None:
    """Copies of tensors in page-locked memory; None where the host has too little memory for it.

    Args:
        device: the CUDA device that they will be copied to.
    """
    needed = sum(tensor.nbytes for tensor in weights.values())
    if not host_has_room(needed):
        log.warning("host copies stay in ordinary memory, which is short: switching is slower")
        return None
    try:
        with torch.cuda.device(device):  # else a thread of its own would wake the first GPU
            return pack(weights, lambda size: torch.empty(size, dtype=torch.uint8, pin_memory=True))
    except RuntimeError as error:
        log.warning("host copies stay in ordinary memory; switching is slower: %s", error)
        return None


def pack(
    weights: Mapping[str, torch.Tensor], allocate: Allocate, block_bytes: int = BLOCK_BYTES
) -> dict[str, torch.Tensor]:
    """Contiguous copies of tensors, as many in one block as fit.

    A tensor larger than a block gets one of its own size.
    """
    packed: dict[str, torch.Tensor] = {}
    block, used = torch.empty(0, dtype=torch.uint8), 0
    for name, tensor in weights.items():
        if used + tensor.nbytes > block.nbytes:
            block, used = allocate(max(block_bytes, tensor.nbytes)), 0
        place = block[used : used + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        packed[name] = place.copy_(tensor)
        used += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
    return packed
