"""The model that is measured, computing in another dtype or in 8 bits: a copy beside it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from diffusers import UNet2DConditionModel

from ..model.compile.attention import join_projections
from ..model.hub.progress import Report
from ..model.loading import Components
from ..model.weights.unets import Recipe, UNets


def recast(
    components: Components,
    dtype: torch.dtype,
    num_inference_steps: int,
    finish: Callable[[UNet2DConditionModel], None] = lambda unet: None,
) -> Components:
    """A copy of everything, cast, with the UNet of one step count.

    Args:
        finish: called with that UNet, as by `UNets`: rounded weights cannot be overwritten.
    """
    unet = components.unets.get(num_inference_steps)
    unets = UNets(_Copies(unet, dtype), 1, (num_inference_steps,), finish=finish)
    unets.get(num_inference_steps)
    spec, plan = components.spec, components.memory_plan
    one = replace(spec, checkpoints=(spec.checkpoint(num_inference_steps),))
    first, second = (copy.deepcopy(encoder).to(dtype) for encoder in components.text_encoders)
    preview = copy.deepcopy(components.preview_vae).to(dtype)
    own = components.vae is not components.preview_vae
    return replace(
        components,
        spec=one,
        memory_plan=replace(plan, dtype=dtype, unets=1),
        text_encoders=(first, second),
        unets=unets,
        vae=copy.deepcopy(components.vae).to(dtype) if own else preview,
        preview_vae=preview,
    )


class _Copies:
    """Copies of one UNet in another dtype; a `Source` of `UNets`."""

    def __init__(self, unet: UNet2DConditionModel, dtype: torch.dtype) -> None:
        self._unet, self._dtype = unet, dtype

    def here(self, num_inference_steps: int) -> bool:
        """Always."""
        return True

    def read(self, num_inference_steps: int, report: Report) -> Recipe:
        """The weights where they are, in the dtype that they have there."""
        return Recipe(self._unet.state_dict())

    def lasting(self, recipe: Recipe) -> Recipe:
        """As it is."""
        return recipe

    def blank(self) -> UNet2DConditionModel:
        """A copy; it has the values already."""
        unet = copy.deepcopy(self._unet).to(self._dtype)
        join_projections(unet)  # casting has parted them
        return unet
