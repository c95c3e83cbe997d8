"""Fixtures: all files of SDXL-Lightning in a Hub cache, small."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import save_file

from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING

from .hub_cache import snapshot


@pytest.fixture(scope="module")
def kl() -> AutoencoderKL:
    """A decoder of SDXL's own class."""
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=2,
    ).eval()


@pytest.fixture(scope="module")
def hub(components: Any, kl: AutoencoderKL, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hub cache with all files of SDXL-Lightning."""
    root = tmp_path_factory.mktemp("hub")
    base = snapshot(root, SDXL_LIGHTNING.base)
    for name in ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2"):
        shutil.copytree(MINIATURE.base.folder / name, base / name)
    unet = components.unets.get(4)
    unet.save_config(base / "unet")
    kl.save_pretrained(snapshot(root, SDXL_LIGHTNING.vae))
    widths = (4, 4, 4, 4)
    AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths
    ).save_pretrained(snapshot(root, SDXL_LIGHTNING.preview))
    lightning = snapshot(root, SDXL_LIGHTNING.lightning)
    for checkpoint in SDXL_LIGHTNING.checkpoints:
        weights = {name: tensor.half() for name, tensor in unet.state_dict().items()}
        weights["conv_in.bias"] = weights["conv_in.bias"] + checkpoint.num_inference_steps
        save_file(weights, lightning / checkpoint.file)
    return root
