"""Group normalisation (arXiv 1803.08494) of large pictures on a GPU.

torch gives each group to one block of threads: 32 of them for a picture, on a GPU that runs
thousands, and half of a full decode at 1024 px goes by in that (measured on an H200). Here torch's
reductions, which share a row among blocks, find each channel's moments, and its batch
normalisation applies those of the groups, in the layout that the tensor has.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

LARGE = 1 << 19  # values in a group; smaller ones are done sooner in one block


class SpreadGroupNorm(nn.GroupNorm):
    """The same as its parent, to rounding. Several pictures at a time are left to that."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [N, C, ...], float."""
        large = x.shape[0] == 1 and x.dim() == 4 and x.numel() >= LARGE * self.num_groups
        if x.device.type != "cuda" or not large or torch.compiler.is_compiling():
            return super().forward(x)
        return spread_group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def spread_group_norms(module: nn.Module) -> None:
    """Makes the group normalisations of a module such ones."""
    for each in module.modules():
        if type(each) is nn.GroupNorm:
            each.__class__ = SpreadGroupNorm


def plain_group_norms(module: nn.Module) -> None:
    """Makes them torch's own again."""
    for each in module.modules():
        if isinstance(each, SpreadGroupNorm):
            each.__class__ = nn.GroupNorm  # type: ignore[assignment]


def spread_group_norm(
    x: torch.Tensor, groups: int, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    """Group normalisation of one picture [1, C, h, w]; moments are summed in float32."""
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    shape = (groups, channels // groups)
    means = x.mean((0, 2, 3), dtype=torch.float32).view(shape)
    norms = torch.linalg.vector_norm(x, 2, (0, 2, 3), dtype=torch.float32).view(shape)
    mean = means.mean(1, keepdim=True)
    # The mean of the squares less the square of the mean: in float32 sound to half precision while
    # the mean is at most tens of standard deviations.
    variance = (norms.square().mean(1, keepdim=True) / pixels - mean.square()).clamp_min(0)
    mean, variance = (each.expand(shape).flatten() for each in (mean, variance))
    scale, shift = weight.float(), bias.float()
    return functional.batch_norm(x, mean, variance, scale, shift, training=False, eps=eps)
