"""SDXL's full module tree with next to no arithmetic in it.

Same blocks, layers and names as SDXL (1,929 modules in the UNet, 12 and 32 text layers, the 4-level
autoencoder) with a few channels each: what Python costs around the real model, it costs here.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from ..model.attention import expect_projections
from ..model.checkpoints import MINIATURE, SDXL_LIGHTNING
from ..model.loading import Components
from ..model.profile import small_profile

SIDE = 64  # px
WIDTH = 16  # channels of both text encoders


def thin_components() -> Components:
    """Random components in SDXL's shape, on the CPU; the tokenizer is the miniature's."""
    tokenizer = CLIPTokenizer.from_pretrained(MINIATURE.base.folder / "tokenizer")  # type: ignore[operator]
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=SIDE // 8,
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=2,
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(2, 2, 2),
        cross_attention_dim=2 * WIDTH,
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
    )
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=2,
    )
    expect_projections(unet)
    for module in (unet, vae):
        module.eval().requires_grad_(False)
    sizes = ((1, 8), (128, 128), (96, 96))
    return Components(
        family=replace(SDXL_LIGHTNING, sizes=((SIDE, SIDE), *sizes), min_side=8, max_side=256),
        device=torch.device("cpu"),
        profile=small_profile(torch.float32, 4),
        tokenizers=(tokenizer, tokenizer),
        text_encoders=(
            CLIPTextModel(_text_config(tokenizer, 12)).eval(),
            CLIPTextModelWithProjection(_text_config(tokenizer, 32)).eval(),
        ),
        unets=SimpleNamespace(  # type: ignore[arg-type]
            get=lambda num_inference_steps: unet,
            require=lambda num_inference_steps: None,
            fetch_ahead=lambda: False,
        ),
        vae=vae,
        preview_vae=vae,
    )


def _text_config(tokenizer: CLIPTokenizer, layers: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        projection_dim=WIDTH,
        max_position_embeddings=tokenizer.model_max_length,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def thin_pipeline(components: Components) -> StableDiffusionXLPipeline:
    """The diffusers pipeline around the same components, set up as Lightning's card says."""
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="trailing",
    )
    pipe = StableDiffusionXLPipeline(
        vae=components.vae,
        text_encoder=components.text_encoders[0],
        text_encoder_2=components.text_encoders[1],
        tokenizer=components.tokenizers[0],
        tokenizer_2=components.tokenizers[1],
        unet=components.unets.get(4),
        scheduler=scheduler,
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def stub_models(components: Components) -> None:
    """Takes the arithmetic out: every model answers at once with zeros of the right shape."""
    tokens = components.tokenizers[0].model_max_length
    hidden = torch.zeros(1, tokens, WIDTH)
    states = (hidden, hidden, hidden)
    first, second = components.text_encoders
    pooled = torch.zeros(1, WIDTH)
    _answer(first, _Output(states, hidden))
    _answer(second, _Output(states, pooled))
    latents = torch.zeros(1, 4, SIDE // 8, SIDE // 8)
    _answer(components.unets.get(4), (latents,))
    image = torch.zeros(1, 3, SIDE, SIDE)
    components.vae.decode = lambda latents, return_dict=True, generator=None: (image,)


def _answer(module: torch.nn.Module, value: Any) -> None:
    module.forward = lambda *args, **kwargs: value


class _Output(tuple):  # type: ignore[type-arg]
    """A text encoder's output: its first entry by position, its states by name."""

    hidden_states: tuple[torch.Tensor, ...]

    def __new__(cls, states: tuple[torch.Tensor, ...], first: torch.Tensor) -> _Output:
        output = super().__new__(cls, (first,))
        output.hidden_states = states
        return output
