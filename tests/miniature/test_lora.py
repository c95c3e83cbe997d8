"""LoRAs of a distilled UNet: exact at full rank, nearest below, in the known key format."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lightning_demo.miniature.lora import fuse_lora, lora_tensors, save_lora


@pytest.fixture
def weights() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)

    def make() -> dict[str, torch.Tensor]:
        return {
            "block.0.attn.to_q.weight": torch.randn(12, 20, generator=generator),
            "block.0.conv.weight": torch.randn(8, 6, 3, 3, generator=generator),
            "block.0.norm.weight": torch.randn(8, generator=generator),
            "block.0.conv.bias": torch.randn(8, generator=generator),
        }

    return make(), make()


def test_full_rank_gives_the_student_back(weights):
    teacher, student = weights
    fused = fuse_lora(teacher, lora_tensors(teacher, student, 99, torch.float32))
    for name, value in student.items():
        expected = value if value.dim() >= 2 else teacher[name]
        assert torch.allclose(fused[name], expected, atol=1e-4), name


def test_more_rank_is_nearer(weights):
    teacher, student = weights
    name = "block.0.conv.weight"
    errors = [
        (fuse_lora(teacher, lora_tensors(teacher, student, rank))[name] - student[name]).norm()
        for rank in (1, 2, 4, 8)
    ]
    assert errors == sorted(errors, reverse=True)


def test_the_file_has_the_keys_that_others_read(weights, tmp_path: Path):
    teacher, student = weights
    save_lora(teacher, student, tmp_path / "lora.safetensors", rank=2)
    tensors = load_file(tmp_path / "lora.safetensors")
    module = "lora_unet_block_0_conv"
    assert tensors[f"{module}.lora_down.weight"].shape == (2, 6, 3, 3)
    assert tensors[f"{module}.lora_up.weight"].shape == (8, 2, 1, 1)
    assert tensors[f"{module}.alpha"] == 2
    assert not any("norm" in key for key in tensors)
