"""sgm's names of a UNet's weights, against diffusers' own conversion of checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

from lightning_demo.bench.random_sdxl import THIN, random_components
from lightning_demo.model.weights.sdxl_config import UNET
from lightning_demo.model.weights.sgm_names import sgm_names


def sdxl() -> Any:
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(UNET)


UNETS = {"sdxl": sdxl, "thin": lambda: random_components(THIN).unets.get(4)}


@pytest.mark.parametrize("kind", UNETS)
def test_diffusers_converts_every_name_back(kind: str):
    unet = UNETS[kind]()
    names = sgm_names(unet.state_dict())
    assert names.keys() == unet.state_dict().keys()
    assert len(set(names.values())) == len(names)
    single_file = {f"model.diffusion_model.{sgm}": name for name, sgm in names.items()}
    converted = convert_ldm_unet_checkpoint(single_file, unet.config)
    assert converted == {name: name for name in names}


def test_the_published_config_is_sdxl():
    assert sum(parameter.numel() for parameter in sdxl().parameters()) == 2_567_463_684


@pytest.mark.parametrize(
    ("name", "sgm"),
    [
        ("conv_in.weight", "input_blocks.0.0.weight"),
        ("add_embedding.linear_2.bias", "label_emb.0.2.bias"),
        ("down_blocks.0.downsamplers.0.conv.weight", "input_blocks.3.0.op.weight"),
        (
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
            "input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight",
        ),
        ("mid_block.resnets.1.conv2.weight", "middle_block.2.out_layers.3.weight"),
        ("up_blocks.1.upsamplers.0.conv.bias", "output_blocks.5.2.conv.bias"),
        ("up_blocks.2.resnets.2.conv_shortcut.weight", "output_blocks.8.0.skip_connection.weight"),
    ],
)
def test_names_known_from_published_files(name: str, sgm: str):
    assert sgm_names(sdxl().state_dict())[name] == sgm


@pytest.mark.parametrize(
    "name", ["transformer_blocks.0.weight", "down_blocks.0.resnets.0.gate.weight"]
)
def test_names_of_other_architectures_are_refused(name: str):
    with pytest.raises(ValueError, match="not the name"):
        sgm_names([name])
