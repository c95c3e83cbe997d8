"""Measures against cases whose answer is known."""

from __future__ import annotations

import pytest
import torch

from lightning_demo.miniature.metrics import (
    diversity,
    mean_and_error,
    precision_and_recall,
    sharpness,
)


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


def test_a_mean_has_the_error_of_its_values():
    mean, error = mean_and_error(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert mean == 2.5
    assert error == pytest.approx((5 / 3) ** 0.5 / 2)


@pytest.fixture
def cloud() -> torch.Tensor:
    """Two far groups of points."""
    points = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    points[30:] += 100
    return points


def test_a_set_has_all_precision_and_recall_to_itself(cloud: torch.Tensor):
    assert precision_and_recall(cloud, cloud) == (1, 1)


def test_sets_apart_have_neither_precision_nor_recall(cloud: torch.Tensor):
    assert precision_and_recall(cloud, cloud + 1000) == (0, 0)


def test_a_lost_mode_costs_recall_alone(cloud: torch.Tensor):
    assert precision_and_recall(cloud, cloud[:30]) == (1, 0.5)


def test_an_invented_mode_costs_precision_alone(cloud: torch.Tensor):
    assert precision_and_recall(cloud, torch.cat([cloud, cloud - 1000])) == (0.5, 1)


def test_the_radius_is_that_of_the_kth_neighbour():
    line = torch.arange(6.0)[:, None]  # the second neighbour of an end is 2 away
    beyond = torch.tensor([[-2.5], [-1.5], [2.5], [7.5]])
    assert precision_and_recall(line, beyond, k=2)[0] == 0.5
    assert precision_and_recall(line, beyond, k=3)[0] == 1
