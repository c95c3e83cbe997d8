"""Copies packed into blocks: the same numbers, and hardly more memory than they take."""

from __future__ import annotations

import pytest
import torch

from lightning_demo.model.weights import page_locked
from lightning_demo.model.weights.page_locked import ALIGNMENT, pack, page_lock


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    shapes = [(3,), (7, 5), (1,), (64, 3, 3), (), (200,), (2, 0)]
    kinds = (torch.float16, torch.float32, torch.int64)
    return {
        f"{number}": (100 * torch.randn(shape)).to(kinds[number % 3])
        for number, shape in enumerate(shapes)
    }


@pytest.mark.parametrize("block_bytes", [2**9, 2**11, 2**16])
def test_copies_are_the_same_and_share_blocks(block_bytes: int):
    blocks: list[int] = []

    def allocate(size: int) -> torch.Tensor:
        blocks.append(size)
        return torch.full((size,), 255, dtype=torch.uint8)

    given = weights()
    packed = pack(given, allocate, block_bytes)
    assert packed.keys() == given.keys()
    for name, tensor in given.items():
        assert packed[name].dtype == tensor.dtype and torch.equal(packed[name], tensor)
        assert packed[name].is_contiguous() and packed[name].data_ptr() % tensor.itemsize == 0
    needed = sum(tensor.nbytes + ALIGNMENT for tensor in given.values())
    assert sum(blocks) <= 2 * needed + block_bytes
    packed["3"].fill_(0)
    for name in given.keys() - {"3"}:
        assert torch.equal(packed[name], given[name]), "nothing overlaps"


def test_a_short_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    def none(needed: int) -> bool:
        asked.append(needed)
        return False

    monkeypatch.setattr(page_locked, "host_has_room", none)
    assert page_lock(weights(), torch.device("cpu")) is None
    assert asked == [sum(tensor.nbytes for tensor in weights().values())]
