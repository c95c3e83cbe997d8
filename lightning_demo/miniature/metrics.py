"""Measures over sets of pictures or of their features; pure functions."""

from __future__ import annotations

import torch


def diversity(features: torch.Tensor) -> float:
    """Mean distance of the pictures of one prompt from each other; [prompts, seeds, F]."""
    seeds = features.shape[1]
    distances = torch.cdist(features.double(), features.double())
    return float(distances.sum() / (len(features) * seeds * (seeds - 1)))


def sharpness(pixels: torch.Tensor) -> float:
    """Mean absolute difference of neighbouring pixels, [B, 3, H, W] from -1 to 1."""
    across, down = pixels.diff(dim=3).abs().mean(), pixels.diff(dim=2).abs().mean()
    return float(across + down) / 2


def mean_and_error(values: torch.Tensor) -> tuple[float, float]:
    """The mean of two or more independent values and its standard error."""
    values = values.double()
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


def precision_and_recall(real: torch.Tensor, fake: torch.Tensor, k: int = 3) -> tuple[float, float]:
    """Share of [M, F] fakes among [N, F] real ones, and of real ones among fakes.

    Among: no further from one of them than its k-th nearest neighbour of its own kind is
    (arXiv 1904.06991, equations 1 and 2).
    """
    apart = torch.cdist(real.double(), fake.double())
    precision = (apart <= _radius(real, k)[:, None]).any(0)
    recall = (apart <= _radius(fake, k)[None, :]).any(1)
    return float(precision.double().mean()), float(recall.double().mean())


def _radius(features: torch.Tensor, k: int) -> torch.Tensor:
    own = torch.cdist(features.double(), features.double())
    return own.kthvalue(min(k + 1, len(features)), dim=1).values  # the nearest is itself
