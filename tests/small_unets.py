"""UNets that take what the miniature's take, in a quarter of the time, and show nothing."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel

from lightning_demo.model.compile.attention import expect_projections
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.model.weights.unets import Recipe, UNets

STEPS = MINIATURE.limits.num_inference_steps


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
