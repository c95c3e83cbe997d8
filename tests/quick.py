"""Models that take what the miniature's take, in a third of the time; pictures show nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from lightning_demo.miniature import architecture
from lightning_demo.model.compile.attention import expect_projections
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.model.weights.unets import Recipe, UNets

STEPS = MINIATURE.limits.num_inference_steps
THIN = {
    "ENCODER_WIDTH": 4,
    "DECODER_WIDTH": 4,
    "PREVIEW_WIDTH": 4,
    "DECODER_BLOCKS": (1, 0, 0, 0, 0),
    "PREVIEW_BLOCKS": (1, 0, 0, 0, 0),
}


class RandomUNets:
    """A source of UNets of one level, with random weights, another set for each step count."""

    def __init__(self) -> None:
        self._recipes = {}
        with torch.random.fork_rng():
            for steps in STEPS:  # here, not on the thread that reads: all share one generator
                torch.manual_seed(steps)
                self._recipes[steps] = Recipe(self.blank().state_dict())

    def here(self, num_inference_steps: int) -> bool:
        return True

    def read(self, num_inference_steps: int, report: Any) -> Recipe:
        return self._recipes[num_inference_steps]

    def lasting(self, recipe: Recipe) -> Recipe:
        return recipe

    def blank(self) -> UNet2DConditionModel:
        unet = UNet2DConditionModel(
            block_out_channels=(16,),
            down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("UpBlock2D",),
            mid_block_type=None,
            layers_per_block=1,
            transformer_layers_per_block=1,
            attention_head_dim=2,
            cross_attention_dim=224,
            norm_num_groups=8,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 128,
        )
        expect_projections(unet)
        return unet.eval().requires_grad_(False)


def random_unets(capacity: int) -> UNets:
    """Those of a device that has room for so many."""
    return UNets(RandomUNets(), capacity, STEPS)


def quick_components(miniature: Any) -> Any:
    """The miniature with UNets of one level and thin decoders: as good to an engine as any."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        for name, value in THIN.items():
            patch.setattr(architecture, name, value)
        vae, preview = architecture.build_vae(), architecture.build_preview()
        preview.decoder.layers[-1].bias.data += 0.1  # brighter, to be told from the other one's
    unets = random_unets(len(STEPS))
    return replace(miniature, unets=unets, vae=vae.eval(), preview_vae=preview.eval())
