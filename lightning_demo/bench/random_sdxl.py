"""SDXL with random weights: what speed and memory depend on, without a download.

FULL is the published architecture at its size. THIN has the same blocks, layers and names (1,930
modules in the UNet, 12 and 32 text layers, the 4-level autoencoder) with a few channels each: what
Python costs around the real model, it costs here. TINY has hardly any layers: it shows that
something works, and soon. The tokenizer is the miniature's, padded to
CLIP's 77 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from ..model.decoders import decode_in_tiles
from ..model.group_norm import spread_group_norms
from ..model.hub.progress import Report
from ..model.loading import Components, page_lock_encoder
from ..model.memory_plan import MemoryPlan, small_plan
from ..model.weights import sdxl_config
from ..model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from ..model.weights.model_spec import ModelSpec
from ..model.weights.sdxl_config import Config
from ..model.weights.unet_files import materialise
from ..model.weights.unets import Recipe, Source, UNets

TOKENS = 77
CONTRAST = 0.4  # standard deviation of a picture's values from -1 to 1


@dataclass(frozen=True, eq=False)
class Shape:
    """How the models are built."""

    spec: ModelSpec
    unet: Config
    vae: Config
    preview: Config
    text_encoder: Config
    text_encoder_2: Config


FULL = Shape(
    spec=SDXL_LIGHTNING,
    unet=sdxl_config.UNET,
    # As sdxl-vae-fp16-fix says of itself, which is the decoder that SDXL-Lightning is served with.
    vae={**sdxl_config.VAE, "force_upcast": False},
    preview={},  # AutoencoderTiny's defaults are TAESDXL's
    text_encoder=sdxl_config.TEXT_ENCODER,
    text_encoder_2=sdxl_config.TEXT_ENCODER_2,
)

WIDTH = 16  # channels of both thin text encoders
_THIN_TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_attention_heads": 2,
    "projection_dim": WIDTH,
}

THIN = Shape(
    spec=replace(SDXL_LIGHTNING, sizes=((64, 64), (96, 96), (128, 128)), min_side=8, max_side=256),
    unet={
        **sdxl_config.UNET,
        "sample_size": 8,
        "block_out_channels": [8, 16, 32],
        "attention_head_dim": [2, 2, 2],
        "cross_attention_dim": 2 * WIDTH,
        "norm_num_groups": 4,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
    },
    vae={**FULL.vae, "sample_size": 64, "block_out_channels": [4, 8, 16, 16], "norm_num_groups": 2},
    preview={"encoder_block_out_channels": [4] * 4, "decoder_block_out_channels": [4] * 4},
    text_encoder={**sdxl_config.TEXT_ENCODER, **_THIN_TEXT},
    text_encoder_2={**sdxl_config.TEXT_ENCODER_2, **_THIN_TEXT},
)

TINY = replace(
    THIN,
    unet={
        **THIN.unet,
        "block_out_channels": [16],
        "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D"],
        "mid_block_type": None,
        "up_block_types": ["UpBlock2D"],
        "transformer_layers_per_block": [1],
        "attention_head_dim": [2],
    },
    vae={**THIN.vae, "layers_per_block": 1},
    preview={**THIN.preview, "num_encoder_blocks": [1] * 4, "num_decoder_blocks": [1] * 4},
    text_encoder={**THIN.text_encoder, "num_hidden_layers": 2},
    text_encoder_2={**THIN.text_encoder_2, "num_hidden_layers": 2},
)


class RandomWeights:
    """Random UNets, another one for each step count; a `Source` of `UNets`."""

    def __init__(
        self,
        shape: Shape,
        device: torch.device,
        dtype: torch.dtype,
        layout: torch.memory_format = torch.preserve_format,
    ) -> None:
        self._shape, self._device, self._dtype, self._layout = shape, device, dtype, layout

    def here(self, num_inference_steps: int) -> bool:
        """Always: nothing is downloaded."""
        return True

    def read(self, num_inference_steps: int, report: Report) -> Recipe:
        """The recipe of a step count: all share their tensors but the last one's scale."""
        weights = dict(_host_weights(self._shape, self._device, self._dtype))
        weights["conv_out.weight"] = weights["conv_out.weight"] * (1 + num_inference_steps / 10)
        return Recipe(weights)

    def lasting(self, recipe: Recipe) -> Recipe:
        """As it is: `_host_weights` has locked it."""
        return recipe

    def blank(self) -> UNet2DConditionModel:
        """A UNet on the device without values."""
        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(dict(self._shape.unet))
        return materialise(unet, self._device, self._dtype, self._layout)


@lru_cache(maxsize=1)  # several models of one run share them
def _host_weights(
    shape: Shape, device: torch.device, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """A UNet's weights in the host's memory, made on the device, which is faster at it."""
    torch.manual_seed(0)
    with _made_on(device, dtype):
        unet = UNet2DConditionModel.from_config(dict(shape.unet))
    weights = {name: tensor.cpu() for name, tensor in unet.state_dict().items()}
    if device.type == "cuda":
        return {name: tensor.pin_memory() for name, tensor in weights.items()}
    return weights


def random_components(
    shape: Shape,
    device: torch.device | None = None,
    profile: MemoryPlan | None = None,
    source: RandomWeights | None = None,
) -> Components:
    """Random components, spread over the device as the profile says.

    Args:
        device: the CPU when absent.
        profile: float32 and everything on the device when absent.
        source: of the UNets; one of its own when absent.
    """
    device = device or torch.device("cpu")
    step_counts = shape.spec.limits.num_inference_steps
    profile = profile or small_plan(torch.float32, len(step_counts))
    source = source or RandomWeights(shape, device, profile.dtype)
    torch.manual_seed(1)
    with _made_on(device, profile.dtype):
        preview = AutoencoderTiny(**shape.preview)
        kl = AutoencoderKL.from_config(dict(shape.vae))
        encoders = (
            CLIPTextModel(_text_config(shape.text_encoder)),
            CLIPTextModelWithProjection(_text_config(shape.text_encoder_2)),
        )
    spread_group_norms(kl)
    for module in (preview, kl, *encoders):
        module.eval().requires_grad_(False)
    _give_contrast(preview, preview.decoder.layers[-1], 0.5, CONTRAST / 2)  # 0 … 1
    _give_contrast(kl, kl.decoder.conv_out, 0.0, CONTRAST)  # -1 … 1
    if not profile.text_encoders_stay:
        encoders = (encoders[0].cpu(), encoders[1].cpu())
        for encoder in encoders if device.type == "cuda" else ():
            page_lock_encoder(encoder, device)
    vae = preview if profile.decoder == "tiny" else kl
    if profile.decoder == "tiled":
        decode_in_tiles(kl)
    tokenizer = _tokenizer()
    return Components(
        spec=shape.spec,
        device=device,
        memory_plan=profile,
        tokenizers=(tokenizer, tokenizer),
        text_encoders=encoders,
        unets=unets_of(source, profile.unets, step_counts),
        vae=vae,
        preview_vae=preview,
    )


def unets_of(source: Source, capacity: int, step_counts: Sequence[int]) -> UNets:
    """UNets that never read ahead: nothing else is to be done while something is measured."""
    return UNets(source, capacity, step_counts, room=lambda: False)


@contextmanager
def _made_on(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Inside, weights are made where and as they will be: 2.6 billion numbers take a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)


@torch.inference_mode()
def _give_contrast(vae: Any, last: torch.nn.Conv2d, mean: float, deviation: float) -> None:
    """Scales a decoder's last layer to the values of a picture, per channel.

    Grey pictures would be equal whatever went wrong.
    """
    outputs = []
    hook = last.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator("cpu").manual_seed(0))
    vae.decode(latents.to(last.weight))
    hook.remove()
    assert last.bias is not None  # noqa: S101
    found = outputs[0].float().transpose(0, 1).flatten(1)
    scale = deviation / found.std(dim=1)
    last.weight.mul_(scale.view(-1, 1, 1, 1))
    last.bias.copy_((last.bias - found.mean(dim=1)) * scale + mean)


def _text_config(config: Config) -> CLIPTextConfig:
    return CLIPTextConfig(**{n: v for n, v in config.items() if n != "architectures"})


def _tokenizer() -> CLIPTokenizer:
    assert MINIATURE.base.folder is not None  # noqa: S101
    folder = MINIATURE.base.folder / "tokenizer"
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=TOKENS)
