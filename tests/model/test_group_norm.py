"""Group normalisation spread over a GPU: torch's own results, in the tensor's layout."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from lightning_demo.model.group_norm import (
    LARGE,
    SpreadGroupNorm,
    plain_group_norms,
    spread_group_norm,
    spread_group_norms,
)

GROUPS, CHANNELS, EPS = 8, 64, 1e-6


def picture(layout: torch.memory_format, shift: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(1, CHANNELS, 40, 48, generator=generator)
    values *= torch.rand(1, CHANNELS, 1, 1, generator=generator) + 0.5
    return (values + shift).to(memory_format=layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shift", [0.0, 7.0, -30.0])
def test_it_is_group_normalisation(layout: torch.memory_format, shift: float):
    x = picture(layout, shift)
    weight, bias = torch.rand(CHANNELS) + 0.5, torch.rand(CHANNELS)
    found = spread_group_norm(x, GROUPS, weight, bias, EPS)
    torch.testing.assert_close(
        found, functional.group_norm(x, GROUPS, weight, bias, EPS), rtol=1e-3, atol=1e-3
    )
    assert found.is_contiguous(memory_format=layout)


def test_half_precision_loses_no_more_than_rounding():
    x = picture(torch.channels_last, 7.0).bfloat16()
    weight, bias = torch.ones(CHANNELS), torch.zeros(CHANNELS)
    exact = functional.group_norm(x.double(), GROUPS, weight.double(), bias.double(), EPS)
    found = spread_group_norm(x, GROUPS, weight.bfloat16(), bias.bfloat16(), EPS)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-3)


def test_only_the_layer_changes_its_kind_and_a_cpu_computes_as_before():
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.LayerNorm(4))
    x = torch.randn(1, 3, 4, 4)
    before, keys = module(x), list(module.state_dict())
    spread_group_norms(module)
    assert type(module[1]) is SpreadGroupNorm and type(module[2]) is nn.LayerNorm
    assert torch.equal(module(x), before) and list(module.state_dict()) == keys
    plain_group_norms(module)
    assert type(module[1]) is nn.GroupNorm and torch.equal(module(x), before)


def test_what_is_compiled_is_torchs_own():
    """A compiler fuses it, and knows no such detour."""
    seen: list[bool] = []

    class Told(SpreadGroupNorm):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(torch.compiler.is_compiling())
            return super().forward(x)

    torch.export.export(Told(2, 4), (torch.randn(1, 4, 8, 8),), strict=False)
    assert seen and all(seen)


def test_what_is_small_is_left_to_torch(monkeypatch: pytest.MonkeyPatch):
    """By shapes alone, on the meta device that stands in for a GPU."""
    asked: list[torch.Size] = []

    def spread(x: torch.Tensor, *rest: object) -> torch.Tensor:
        asked.append(x.shape)
        return x

    class OnGpu(torch.Tensor):
        device = torch.device("cuda")

    monkeypatch.setattr("lightning_demo.model.group_norm.spread_group_norm", spread)
    layer = SpreadGroupNorm(2, 4, device="meta")
    side = int((LARGE // 2) ** 0.5)
    for shape in ((1, 4, side, side), (1, 4, side, side - 1), (2, 4, side, side)):
        layer(torch.empty(shape, device="meta").as_subclass(OnGpu))
    assert asked == [torch.Size((1, 4, side, side))]
