"""LoRAs of a distilled UNet: exact at full rank, nearest below, in the known key format."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lightning_demo.miniature.lora import ALPHA, LowRank, lora_tensors, save_lora
from lightning_demo.model.weights.lora import fuse

HERE = Path("lora.safetensors")


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
    fused = fuse(teacher, lora_tensors(teacher, student, None, torch.float32), HERE)
    for name, value in student.items():
        expected = value if value.dim() >= 2 else teacher[name]
        assert torch.allclose(fused[name], expected, atol=1e-4), name


def test_a_larger_lora_is_nearer_and_none_exceeds_its_size(weights):
    teacher, student = weights
    errors = []
    for values in (100, 200, 400, 800):
        lora = lora_tensors(teacher, student, values)
        assert sum(t.numel() for key, t in lora.items() if key.endswith("weight")) <= values
        fused = fuse(teacher, lora, HERE)
        errors.append(
            sum((fused[n] - student[n]).square().sum() for n in student if "norm" not in n)
        )
    assert errors == sorted(errors, reverse=True)


def test_the_file_has_the_keys_that_others_read_and_one_alpha(weights, tmp_path: Path):
    teacher, student = weights
    lora = lora_tensors(teacher, student, 400)
    save_lora(lora, tmp_path / "lora.safetensors")
    tensors = load_file(tmp_path / "lora.safetensors")
    module = "lora_unet_block_0_conv"
    rank = len(tensors[f"{module}.lora_down.weight"])
    assert tensors[f"{module}.lora_down.weight"].shape == (rank, 6, 3, 3)
    assert tensors[f"{module}.lora_up.weight"].shape == (8, rank, 1, 1)
    assert {float(value) for key, value in tensors.items() if key.endswith("alpha")} == {ALPHA}
    assert not any("norm" in key for key in tensors)
    expected, found = fuse(teacher, lora, HERE), fuse(teacher, tensors, HERE)
    assert all(torch.allclose(found[name], expected[name], atol=0.02) for name in expected)


def test_a_lora_trained_as_one_starts_where_it_is_and_leaves_the_unet_alone():
    torch.manual_seed(0)
    unet, student = (nn.Sequential(nn.Conv2d(4, 8, 3)) for _ in range(2))
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    lora = lora_tensors(unet.state_dict(), student.state_dict(), 150, torch.float32)
    model = LowRank(unet, lora)
    x = torch.randn(2, 4, 6, 6)
    fused = nn.Sequential(nn.Conv2d(4, 8, 3))
    fused.load_state_dict(fuse(unet.state_dict(), lora, HERE))
    assert torch.allclose(model(x), fused(x), atol=1e-5)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model(x).square().mean().backward()
    optimizer.step()
    assert not torch.allclose(model(x), fused(x), atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())
    assert LowRank.tensors(model.state_dict()).keys() == lora.keys()
