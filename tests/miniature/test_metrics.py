"""Measures against cases whose answer is known."""

from __future__ import annotations

import pytest
import torch

from lightning_demo.miniature.metrics import diversity, frechet_distance, sharpness


def test_the_frechet_distance_of_gaussians_is_the_closed_form():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(40_000, 3, generator=generator) * torch.tensor([1.0, 2.0, 0.5])
    b = torch.randn(40_000, 3, generator=generator) * 3 + torch.tensor([1.0, 0.0, -2.0])
    expected = 1 + 4 + sum((s - 3) ** 2 for s in (1.0, 2.0, 0.5))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=0.02)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_the_frechet_distance_of_a_set_to_itself_is_nothing():
    a = torch.randn(64, 40, generator=torch.Generator().manual_seed(1))
    assert abs(frechet_distance(a, a)) < 1e-6


def test_diversity_is_the_mean_distance_within_prompts():
    same = torch.zeros(2, 3, 5)
    assert diversity(same) == 0
    apart = torch.tensor([[[0.0], [2.0]], [[5.0], [9.0]]])  # 2 apart and 4 apart
    assert diversity(apart) == pytest.approx(3)


def test_sharpness_counts_edges():
    flat = torch.zeros(1, 3, 8, 8)
    stripes = flat.clone()
    stripes[..., ::2] = 1
    assert sharpness(flat) == 0
    assert sharpness(stripes) == pytest.approx(0.5)  # every neighbour across, none down
