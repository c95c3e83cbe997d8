"""Part of the way between two directions along the sphere that they span: both ends' length stays.

Straight lines between two noises would pass through weaker noise than the model knows (Shoemake,
1985; as AUTOMATIC1111's variation seeds have it).
"""

from __future__ import annotations

import torch

NEARLY_PARALLEL = 0.9995  # the cosine beyond which a straight line is the same, and safe to compute


def slerp(start: torch.Tensor, end: torch.Tensor, amount: float) -> torch.Tensor:
    """Tensors [..., features], each vector turned by `amount` 0 … 1 from one to the other."""
    if amount in (0, 1):
        return end if amount else start
    one, other = start.float(), end.float()
    tiny = torch.finfo(torch.float32).tiny
    lengths = (each.norm(dim=-1, keepdim=True).clamp_min(tiny) for each in (one, other))
    units = [each / length for each, length in zip((one, other), lengths, strict=True)]
    cosine = (units[0] * units[1]).sum(dim=-1, keepdim=True)
    angle = cosine.clamp(-NEARLY_PARALLEL, NEARLY_PARALLEL).arccos()
    turned = (((1 - amount) * angle).sin() * one + (amount * angle).sin() * other) / angle.sin()
    straight = (1 - amount) * one + amount * other
    return torch.where(cosine.abs() > NEARLY_PARALLEL, straight, turned).to(start.dtype)


def slerp_noise(start: torch.Tensor, end: torch.Tensor, amount: float) -> torch.Tensor:
    """The same for two noises [1, channels, height, width], each as one direction."""
    return slerp(start.flatten(1), end.flatten(1), amount).view_as(start)
