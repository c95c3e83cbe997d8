"""Fusing a LoRA: the arithmetic, the shipped files, and diffusers' own loader as the oracle."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

from lightning_demo.errors import CheckpointError
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.model.weights.lora import add, fuse, read_deltas, scaled

HERE = Path("sdxl_lightning_4step_lora.safetensors")
LORAS = [checkpoint for checkpoint in MINIATURE.checkpoints if checkpoint.is_lora]


def test_linear_and_convolution_with_alpha():
    torch.manual_seed(0)
    base = {
        "mid.proj.weight": torch.randn(6, 5),
        "mid.proj.bias": torch.randn(6),
        "mid.conv.weight": torch.randn(6, 5, 3, 3),
    }
    lora = {
        "lora_unet_mid_proj.lora_down.weight": torch.randn(2, 5),
        "lora_unet_mid_proj.lora_up.weight": torch.randn(6, 2),
        "lora_unet_mid_proj.alpha": torch.tensor(1.0),
        "lora_unet_mid_conv.lora_down.weight": torch.randn(2, 5, 3, 3),
        "lora_unet_mid_conv.lora_up.weight": torch.randn(6, 2, 1, 1),
    }
    fused = fuse(base, lora, HERE)
    down, up = (
        lora["lora_unet_mid_proj.lora_down.weight"],
        lora["lora_unet_mid_proj.lora_up.weight"],
    )
    assert torch.allclose(fused["mid.proj.weight"], base["mid.proj.weight"] + 0.5 * up @ down)
    assert torch.equal(fused["mid.proj.bias"], base["mid.proj.bias"])
    down = lora["lora_unet_mid_conv.lora_down.weight"]
    up = lora["lora_unet_mid_conv.lora_up.weight"][..., 0, 0]
    delta = torch.einsum("or,rihw->oihw", up, down)
    assert torch.allclose(fused["mid.conv.weight"], base["mid.conv.weight"] + delta, atol=1e-6)


SHAPES = {"proj.weight": torch.Size((2, 3)), "proj.bias": torch.Size((2,))}


def factors(rank: int = 1, module: str = "lora_unet_proj", **more: torch.Tensor) -> dict:
    return {
        f"{module}.lora_down.weight": torch.ones(rank, 3),
        f"{module}.lora_up.weight": torch.ones(2, rank),
        **{f"{module}.{kind}": tensor for kind, tensor in more.items()},
    }


def test_a_delta_says_what_it_changes_and_by_how_much():
    (delta,) = read_deltas(factors(rank=4, alpha=torch.tensor(2.0)), SHAPES, HERE)
    assert (delta.name, delta.scale) == ("proj.weight", 0.5)
    matrix = delta.matrix(torch.zeros(2, 3))
    assert torch.equal(matrix, torch.full((2, 3), 2.0)) and matrix.dtype == torch.float32


def test_deltas_add_up_and_are_rounded_once():
    weights = {"proj.weight": torch.full((2, 3), 1024.0).half(), "proj.bias": torch.ones(2).half()}
    deltas = 2 * read_deltas(factors(alpha=torch.tensor(0.3)), SHAPES, HERE)
    added = add(weights, deltas)
    # In half precision 1024.3 is 1024, and so would be 1024 + 0.3 + 0.3 rounded twice.
    assert torch.equal(added["proj.weight"].half(), torch.full((2, 3), 1025.0).half())
    assert added["proj.bias"] is weights["proj.bias"]
    assert torch.allclose(add(weights, scaled(deltas, -0.5))["proj.weight"], torch.tensor(1023.7))
    assert add(weights, scaled(deltas, 0.0))["proj.weight"] is weights["proj.weight"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("hada_w1_a", "LoHa"),
        ("lokr_w1", "LoKr"),
        ("dora_scale", "DoRA"),
        ("lora_mid.weight", "LoCon with a core"),
    ],
)
def test_relatives_of_lora_are_refused_by_their_names(kind: str, words: str):
    with pytest.raises(CheckpointError, match=rf"{HERE.name} is a {words}"):
        read_deltas(factors(**{kind: torch.ones(2, 1)}), SHAPES, HERE)


def test_one_weight_named_twice_is_refused():
    twice = {**factors(), **factors(module="other_name")}
    with pytest.raises(CheckpointError, match=r"changes proj\.weight twice"):
        read_deltas(twice, SHAPES, HERE, lambda module: "proj.weight")


@pytest.mark.parametrize(
    "lora",
    [
        factors(rank=0),
        factors(alpha=torch.ones(2)),
        {**factors(rank=2), "lora_unet_proj.lora_up.weight": torch.ones(2, 3)},
        {**factors(), "lora_unet_proj.diff_b": torch.ones(2)},
        factors(module="lora_unet_proj_bias"),
        {"lora_unet_other.lora_down.weight": torch.zeros(1, 3)},
        {"lora_unet_proj.lora_down.weight": torch.zeros(1, 3)},
        {
            "lora_unet_proj.lora_down.weight": torch.zeros(1, 7),
            "lora_unet_proj.lora_up.weight": torch.zeros(2, 1),
        },
        {"transformer.blocks.0.weight": torch.zeros(2, 2)},
    ],
)
def test_a_lora_of_another_model_is_refused_by_name(lora: dict):
    with pytest.raises(CheckpointError, match=HERE.name):
        fuse({"proj.weight": torch.zeros(2, 3)}, lora, HERE)


@pytest.mark.parametrize("checkpoint", LORAS, ids=lambda c: str(c.num_inference_steps))
def test_diffusers_fuses_the_shipped_files_to_the_same_unet(checkpoint: Any, components: Any):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = StableDiffusionXLPipeline.from_pretrained(
            MINIATURE.base.folder, variant="fp16", dtype=torch.float32, add_watermarker=False
        )
        pipe.load_lora_weights(load_file(MINIATURE.lightning.folder / checkpoint.file))
        pipe.fuse_lora()
        pipe.unload_lora_weights()
    ours = components.unets.get(checkpoint.num_inference_steps).state_dict()
    theirs = pipe.unet.state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        assert torch.allclose(ours[name], weight, atol=1e-5), name
