"""Weights on disk: the same to the bit, in the same layout, and nowhere else."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_demo.model.compile import disk_offload
from lightning_demo.model.compile.attention import (
    JOINED,
    cross_attention_layers,
    join_projections,
    project,
)
from lightning_demo.model.compile.disk_offload import DiskOffload

from .test_programs import Block, function, inputs


@pytest.fixture
def module() -> Block:
    torch.manual_seed(0)
    block = Block().to(memory_format=torch.channels_last)
    block.register_buffer("numbers", torch.arange(3))
    return block


def state(module: torch.nn.Module) -> dict[str, tuple[Any, ...]]:
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: (each.dtype, each.stride(), each.clone()) for name, each in named}


def addresses(module: torch.nn.Module) -> list[int]:
    return [each.data_ptr() for each in (*module.parameters(), *module.buffers())]


def same(found: dict[str, tuple[Any, ...]], wanted: dict[str, tuple[Any, ...]]) -> bool:
    return found.keys() == wanted.keys() and all(
        found[name][:2] == wanted[name][:2] and torch.equal(found[name][2], wanted[name][2])
        for name in wanted
    )


def test_values_and_layouts_stay_and_results_are_the_same_to_the_bit(module: Block, tmp_path: Path):
    before, places = state(module), addresses(module)
    wanted = function(module, *inputs())
    offload = DiskOffload(module, tmp_path)
    assert not set(places) & set(addresses(module))
    for _ in range(2):
        assert same(state(module), before)
        assert all(map(torch.equal, function(module, *inputs()), wanted))
        offload.rest()
    assert module.same is module.convolution
    assert list(tmp_path.iterdir()) == []  # nothing is left behind, however the process ends


@pytest.mark.parametrize("mode", [False, True])
def test_what_is_overwritten_stays_so(module: Block, tmp_path: Path, mode: bool):
    """In or outside of inference mode: a LoRA may be written over the weights."""
    with torch.inference_mode(mode):
        offload = DiskOffload(module, tmp_path)
    with torch.no_grad():
        module.convolution.weight.fill_(3)
        module.offset.fill_(5)
    offload.rest()
    assert torch.equal(module.convolution.weight, torch.full((8, 4, 3, 3), 3.0))
    assert torch.equal(module.offset, torch.full((8, 1, 1), 5.0))


def test_parts_of_a_whole_stay_parts(components: Any, tmp_path: Path):
    """The prompt's projections are one product of what all layers have side by side."""
    unet = copy.deepcopy(components.unets.get(4))
    join_projections(unet)
    hidden = torch.randn(1, 77, cross_attention_layers(unet)[0].cross_attention_dim)
    before, wanted = state(unet), project(unet, hidden)
    DiskOffload(unet, tmp_path)
    assert same(state(unet), before)
    assert torch.equal(project(unet, hidden), wanted)
    first = cross_attention_layers(unet)[0].to_k.weight
    assert first.data_ptr() == getattr(unet, JOINED).data_ptr()


def test_a_module_stays_in_memory_where_nothing_can_be_written(module: Block, tmp_path: Path):
    before, places = state(module), addresses(module)
    with pytest.raises(OSError, match="missing"):
        DiskOffload(module, tmp_path / "missing")
    assert addresses(module) == places and same(state(module), before)


def test_so_does_one_that_takes_long_to_write(
    module: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    places = addresses(module)
    monkeypatch.setattr(disk_offload, "MOST_BYTES", 100)
    DiskOffload(module, tmp_path).rest()
    assert addresses(module) == places


def test_a_module_without_weights_is_left_alone(tmp_path: Path):
    DiskOffload(torch.nn.ReLU(), tmp_path).rest()
