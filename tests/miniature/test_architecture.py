"""The untrained model: saved as SDXL is, and drawn with by the plain diffusers pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_demo.miniature.architecture import build_components, save_untrained
from lightning_demo.miniature.sheet import draw_prompts
from lightning_demo.miniature.world import PAINTED
from lightning_demo.model.weights.checkpoints import MINIATURE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("untrained")
    save_untrained(path, seed=3)
    return path


def test_the_layout_is_sdxls(folder: Path):
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {
        "base/model_index.json",
        "base/scheduler/scheduler_config.json",
        "base/tokenizer/vocab.json",
        "base/tokenizer_2/merges.txt",
        "base/text_encoder/model.fp16.safetensors",
        "base/text_encoder_2/model.fp16.safetensors",
        "base/unet/diffusion_pytorch_model.fp16.safetensors",
        "base/vae/diffusion_pytorch_model.fp16.safetensors",
        "preview/diffusion_pytorch_model.safetensors",
        "lightning/sdxl_lightning_4step_lora.safetensors",
        "lightning/sdxl_lightning_1step_unet_x0.safetensors",
    } <= files


@pytest.mark.parametrize("steps", [1, 4])
def test_the_plain_pipeline_draws_with_it(folder: Path, steps: int):
    pictures = draw_prompts(folder, ["a red house", ""], steps, width=96, height=64)
    assert [picture.size for picture in pictures] == [(96, 64)] * 2
    again = draw_prompts(folder, ["a red house", ""], steps, width=96, height=64)
    assert (np.asarray(pictures[0]) == np.asarray(again[0])).all()


def test_the_autoencoder_starts_as_a_thumbnail():
    parts = build_components(1000)
    thumbnail = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), scale_factor=16) * 2 - 1
    for vae in (parts.vae, parts.preview):
        with torch.inference_mode():
            made = vae.decode(vae.encode(thumbnail[..., ::2, ::2]).latents).sample
        assert (made - thumbnail).abs().max() < 0.12  # the decoder's tanh bends the extremes


def test_it_is_served_at_the_sizes_that_it_paints():
    assert MINIATURE.sizes == PAINTED


def test_the_same_seed_builds_the_same_weights():
    torch.manual_seed(0)
    before = torch.rand(1)
    torch.manual_seed(0)
    first, second, other = (build_components(1000, seed).unet for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), before), "building must not disturb the caller's randomness"
    name = "conv_in.weight"
    assert torch.equal(first.state_dict()[name], second.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])
