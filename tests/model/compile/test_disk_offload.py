"""Weights on disk: the same to the bit, in the same layout, and nowhere else."""

from __future__ import annotations

import copy
import signal
import sys
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
    block.register_buffer("again", block.offset)  # by two names
    return block


def state(module: torch.nn.Module) -> dict[str, tuple[Any, ...]]:
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: (each.dtype, each.stride(), each.clone()) for name, each in named}


def addresses(module: torch.nn.Module) -> list[int]:
    return [each.data_ptr() for each in (*module.parameters(), *module.buffers())]


def resident(offload: DiskOffload | None) -> int:
    """KiB of its file that are in memory; 0 where the system does not tell."""
    smaps = Path("/proc/self/smaps")
    if not smaps.exists():
        return 0
    assert offload is not None and offload._pages is not None
    start = torch.frombuffer(offload._pages, dtype=torch.uint8).data_ptr()
    entry = smaps.read_text().split(f"{start:x}-", 1)[1]
    return int(entry.split("Rss:", 1)[1].split()[0])


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
    assert module.again is module.offset
    if sys.platform != "win32":  # there it has a name
        assert list(tmp_path.iterdir()) == []  # nothing is left behind, however the process ends


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what is mapped")
def test_what_has_been_read_takes_memory_until_it_rests(tmp_path: Path):
    layer = torch.nn.Linear(512, 512).requires_grad_(False)
    offload = DiskOffload(layer, tmp_path)
    before = resident(offload)
    layer(torch.zeros(1, 512))
    read = resident(offload)
    offload.rest()
    assert (before, resident(offload)) == (0, 0) and read >= 1024


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


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such limit there")
def test_or_where_the_disk_is_full_in_the_middle(module: Block, tmp_path: Path):
    import resource

    module.register_buffer("large", torch.ones(2**18))
    before, places = state(module), addresses(module)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            DiskOffload(module, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert addresses(module) == places and same(state(module), before)


def test_or_where_a_tensor_has_no_memory_of_its_own(module: Block, tmp_path: Path):
    before, places = state(module), addresses(module)
    module.register_buffer("sparse", torch.eye(3).to_sparse())
    with pytest.raises(RuntimeError):
        DiskOffload(module, tmp_path)
    del module.sparse
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
