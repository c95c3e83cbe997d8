"""Measures over sets of pictures or of their features; pure functions."""

from __future__ import annotations

import torch


def frechet_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Squared Fréchet distance of the Gaussians fitted to [N, F] and [M, F] (arXiv 1706.08500).

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), in float64.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    # tr (C_a C_b)^(1/2) = tr (R C_b R)^(1/2) with R = C_a^(1/2): symmetric, so eigh is enough.
    root = _root(cov_a)
    values = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0)
    gap = (a.mean(0) - b.mean(0)).square().sum()
    return float(gap + cov_a.trace() + cov_b.trace() - 2 * values.sqrt().sum())


def _root(matrix: torch.Tensor) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


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
