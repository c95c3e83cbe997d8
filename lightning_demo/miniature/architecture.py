"""The parts of the miniature, untrained: SDXL's classes (arXiv 2307.01952), made small.

Knows the sizes and the folder layout; nothing of pictures or training.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderTiny,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from ..model.sampling.schedule import BETA_END, BETA_START, NUM_TRAIN_TIMESTEPS
from .lora import lora_tensors, save_lora, save_unet
from .tokenizer import MAX_LENGTH, save_tokenizer
from .vocabulary import known_words

LATENT_SIDE = 16  # of a square picture
# The encoder halves a picture three times, the decoders double it four times: they paint SHARP
# times what was encoded (world.py). The stages with many pixels have few blocks or none: they cost
# most and bring least.
ENCODER_WIDTH, ENCODER_BLOCKS = 48, (0, 1, 3, 4)
DECODER_WIDTH, DECODER_BLOCKS = 24, (6, 5, 3, 1, 0)
PREVIEW_WIDTH, PREVIEW_BLOCKS = 16, (6, 1, 1, 0, 0)
LATENT_GAIN = 3.2  # latents per unit of colour at the identity initialisation


@dataclass
class MiniatureComponents:
    """The five networks and the noise scheduler."""

    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    unet: UNet2DConditionModel
    vae: AutoencoderTiny
    preview: AutoencoderTiny
    scheduler: EulerDiscreteScheduler


def build_tokenizer(folder: Path) -> CLIPTokenizer:
    """Writes the tokenizer's files and reads them back."""
    save_tokenizer(folder, known_words())
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def build_components(vocab_size: int, seed: int = 0) -> MiniatureComponents:
    """The untrained networks; same seed, same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MiniatureComponents(
            text_encoder=_text_encoder(CLIPTextModel, vocab_size, 96, 3),
            text_encoder_2=_text_encoder(CLIPTextModelWithProjection, vocab_size, 128, 4),
            unet=_unet(),
            vae=build_vae(),
            preview=build_preview(),
            scheduler=build_scheduler(),
        )


def build_scheduler() -> EulerDiscreteScheduler:
    """SDXL's noise schedule; `timestep_spacing` is Lightning's (arXiv 2402.13929, section 3.3)."""
    return EulerDiscreteScheduler(
        beta_start=BETA_START,
        beta_end=BETA_END,
        beta_schedule="scaled_linear",
        num_train_timesteps=NUM_TRAIN_TIMESTEPS,
        prediction_type="v_prediction",
        interpolation_type="linear",
        timestep_spacing="trailing",
        steps_offset=1,
        use_karras_sigmas=False,
    )


def _text_encoder(kind: type, vocab_size: int, width: int, heads: int):  # type: ignore[no-untyped-def]
    encoder = kind(
        CLIPTextConfig(
            vocab_size=vocab_size,
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=128,
            num_hidden_layers=4,
            num_attention_heads=heads,
            max_position_embeddings=MAX_LENGTH,
            hidden_act="quick_gelu",
            bos_token_id=vocab_size - 2,
            eos_token_id=vocab_size - 1,
            pad_token_id=vocab_size - 1,
        )
    )
    # The UNet reads hidden_states[-2], which no LayerNorm follows: from CLIP's own
    # initialisation (0.02) the text would reach it as next to nothing.
    for name, parameter in encoder.named_parameters():
        if name.endswith("token_embedding.weight"):
            nn.init.normal_(parameter, std=0.7)
        elif name.endswith("position_embedding.weight"):
            nn.init.normal_(parameter, std=0.25)
    return encoder


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 96, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 1),
        attention_head_dim=(2, 3, 4),
        norm_num_groups=16,
        cross_attention_dim=96 + 128,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=128 + 6 * 32,
    )


def build_vae() -> AutoencoderTiny:
    """The autoencoder; its encoder reads half the width and height that its decoder paints.

    diffusers takes the pixels of a latent from the decoder's stages: a pipeline paints 256 px.
    """
    return _autoencoder(ENCODER_WIDTH, ENCODER_BLOCKS, DECODER_WIDTH, DECODER_BLOCKS)


def build_preview() -> AutoencoderTiny:
    """The cheap decoder of the pictures on the way; its encoder is not used."""
    return _autoencoder(PREVIEW_WIDTH, (0, 0, 0, 0), PREVIEW_WIDTH, PREVIEW_BLOCKS)


def _autoencoder(
    encoder_width: int,
    encoder_blocks: tuple[int, ...],
    decoder_width: int,
    decoder_blocks: tuple[int, ...],
) -> AutoencoderTiny:
    vae = AutoencoderTiny(
        encoder_block_out_channels=(encoder_width,) * len(encoder_blocks),
        decoder_block_out_channels=(decoder_width,) * len(decoder_blocks),
        num_encoder_blocks=encoder_blocks,
        num_decoder_blocks=decoder_blocks,
    )
    identity_encoder(vae)
    identity_decoder(vae)
    return vae


@torch.no_grad()
def identity_encoder(vae: AutoencoderTiny) -> None:
    """Three latent channels start as the box-averaged picture, the fourth as nothing.

    A thumbnail is 23 dB before the first step and stays an easy thing to denoise; a random start
    spends minutes on finding mean colours.
    """
    first, *halvings, last = _quieted(vae.encoder.layers)
    for channel in range(3):
        # AutoencoderTiny hands its encoder colours from 0 to 1.
        first.weight[channel] = 0
        first.weight[channel, channel, 1, 1] = 1
        for conv in halvings:
            conv.weight[channel] = 0
            # Stride 2, padding 1: taps 1 and 2 are the two pixels of a pair.
            conv.weight[channel, channel, 1:, 1:] = 0.25
        last.weight[channel] = 0
        last.weight[channel, channel, 1, 1] = LATENT_GAIN
        last.bias[channel] = -LATENT_GAIN / 2


@torch.no_grad()
def identity_decoder(vae: AutoencoderTiny) -> None:
    """The decoder's inverse of `identity_encoder`: nearest-neighbour enlargement of the latents."""
    first, *doublings, last = _quieted(vae.decoder.layers)
    for channel in range(3):
        first.weight[channel] = 0
        first.weight[channel, channel, 1, 1] = 1 / LATENT_GAIN
        first.bias[channel] = 0.5
        for conv in doublings:
            conv.weight[channel] = 0
            conv.weight[channel, channel, 1, 1] = 1
        last.weight[channel] = 0
        last.weight[channel, channel, 1, 1] = 1
        last.bias[channel] = 0


def _quieted(layers: nn.Module) -> list[nn.Conv2d]:
    """The convolutions between the blocks, weak and without bias; the blocks add nothing."""
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for conv in convolutions:
        conv.weight.mul_(0.3)
        if conv.bias is not None:
            conv.bias.zero_()
    for block in layers:
        if hasattr(block, "conv") and isinstance(block.conv, nn.Sequential):
            nn.init.zeros_(block.conv[-1].weight)
            nn.init.zeros_(block.conv[-1].bias)
    return convolutions


def save_model(folder: Path, parts: MiniatureComponents) -> None:
    """Writes `base/` and `preview/` in fp16, named as SDXL's own repositories name them.

    Args:
        folder: gets base/{tokenizer, text_encoder, unet, …} and preview/.
    """
    base = folder / "base"
    build_tokenizer(base / "tokenizer")
    # SDXL's second tokenizer pads with "!"; here both pad alike, one cache fits both encoders.
    build_tokenizer(base / "tokenizer_2")
    for name, part in (
        ("text_encoder", parts.text_encoder),
        ("text_encoder_2", parts.text_encoder_2),
        ("unet", parts.unet),
        ("vae", parts.vae),
    ):
        _save_half(part, base / name, variant="fp16")
    _save_half(parts.preview, folder / "preview", variant=None)
    parts.scheduler.save_pretrained(base / "scheduler")
    index = {
        "_class_name": StableDiffusionXLPipeline.__name__,
        "_diffusers_version": "0.38.0",
        "force_zeros_for_empty_prompt": True,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderTiny"],
    }
    (base / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _save_half(part: nn.Module, folder: Path, *, variant: str | None) -> None:
    copy.deepcopy(part).half().save_pretrained(folder, variant=variant, safe_serialization=True)


def save_untrained(folder: Path, seed: int = 0) -> None:
    """Writes a whole untrained model, lightning/ included, laid out as the exported one."""
    base = folder / "base"
    tokenizer = build_tokenizer(base / "tokenizer")
    parts = build_components(len(tokenizer), seed)
    save_model(folder, parts)
    lightning = folder / "lightning"
    lightning.mkdir(parents=True, exist_ok=True)
    for steps in (2, 4, 8):
        student = build_components(len(tokenizer), seed + steps).unet
        lora = lora_tensors(parts.unet.state_dict(), student.state_dict(), 300_000)
        save_lora(lora, lightning / f"sdxl_lightning_{steps}step_lora.safetensors")
    one = build_components(len(tokenizer), seed + 1).unet
    save_unet(one, lightning / "sdxl_lightning_1step_unet_x0.safetensors")
