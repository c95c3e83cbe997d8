"""Reads a model's UNet weights from files: whole checkpoints, or the base and a LoRA."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from ...errors import CheckpointError
from ..compile.attention import (
    expect_projections,
    join_projections,
    leave_out_parts,
    take_parts,
)
from ..host_memory import host_has_room
from ..hub.files import find, locate_all
from ..hub.progress import Report
from ..hub.repository import Repository
from .lora import read_deltas
from .lora_file import LoraDeltas
from .model_spec import BASE_UNET, UNET_CONFIG, ModelSpec
from .page_locked import page_lock
from .unets import Recipe
from .weight_file import check_shapes, load_weights, shapes_of

log = logging.getLogger(__name__)


def read_weights(
    spec: ModelSpec, repository: Repository, file: str
) -> tuple[dict[str, torch.Tensor], Path]:
    """The checked tensors of one file of a model, and its path."""
    path = find(repository, file)
    return load_weights(path, spec.sha256.get(f"{repository.name}/{file}")), path


def meta_unet(spec: ModelSpec) -> UNet2DConditionModel:
    """A UNet of the model with the shapes of its parameters and no memory for them."""
    folder = find(spec.base, UNET_CONFIG).parent
    config = UNet2DConditionModel.load_config(folder, local_files_only=True)
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(config)


def materialise(
    unet: UNet2DConditionModel,
    device: torch.device,
    dtype: torch.dtype,
    layout: torch.memory_format,
) -> UNet2DConditionModel:
    """Gives a UNet without memory its place on a device, and what makes it fast; not its values."""
    expect_projections(unet)
    join_projections(unet)
    leave_out_parts(unet)
    unet = unet.to(dtype).to_empty(device=device)
    take_parts(unet)
    return unet.to(memory_format=layout).eval().requires_grad_(False)


class UNetFiles:
    """Reads recipes and makes empty UNets; the `Source` of `UNets`."""

    def __init__(
        self,
        spec: ModelSpec,
        device: torch.device,
        dtype: torch.dtype,
        layout: torch.memory_format = torch.preserve_format,
        *,
        loras: Sequence[LoraDeltas] = (),
        pinned: bool = False,
    ) -> None:
        """
        Args:
            loras: added to every UNet.
            pinned: whether what lasts is in page-locked memory, and all in the GPU's dtype, for
                UNets that are overwritten again and again: as far as the host has room for it.
        """
        self._spec, self._device, self._dtype = spec, device, dtype
        self._layout, self._pinned = layout, pinned and device.type == "cuda"
        self._loras = tuple(delta for lora in loras for delta in lora["unet"])
        self._base: Mapping[str, torch.Tensor] | None = None  # what LoRAs are added to
        step_counts = spec.limits.num_inference_steps
        self._needing_base = {each for each in step_counts if spec.checkpoint(each).is_lora}
        self._locked = False  # whether it is page-locked
        self._reading = threading.Lock()  # of the base

    def here(self, num_inference_steps: int) -> bool:
        """Whether all files of a step count are on this machine."""
        try:
            locate_all(self._spec.files(num_inference_steps), download=False)
        except CheckpointError:
            return False
        return True

    def read(self, num_inference_steps: int, report: Report) -> Recipe:
        """The recipe of a step count.

        Raises:
            CheckpointError: a file is missing, damaged or made for another model.
        """
        locate_all(self._spec.files(num_inference_steps), report=report)
        checkpoint = self._spec.checkpoint(num_inference_steps)
        weights, path = read_weights(self._spec, self._spec.lightning, checkpoint.file)
        log.info("read %s", path.name)
        if checkpoint.is_lora:
            lightning = read_deltas(weights, self._shapes, path)
            with self._reading:
                if self._base is None:
                    self._base = self._read_base()
                recipe = Recipe(self._base, (*lightning, *self._loras), shared=True)
                self._needing_base.discard(num_inference_steps)
                if not (self._needing_base or self._pinned):
                    self._base = None  # all have what they need
                return recipe
        check_shapes(self._shapes, weights, path)
        return Recipe(self._prepare(weights), self._loras)

    def lasting(self, recipe: Recipe) -> Recipe:
        """The same in page-locked memory, if that is wanted and there is enough of it."""
        if not self._pinned:
            return recipe
        if not recipe.shared:
            return replace(recipe, weights=self._lock(recipe.weights))
        with self._reading:
            if not self._locked:
                self._base, self._locked = self._lock(recipe.weights), True
            return replace(recipe, weights=self._base or recipe.weights)

    def blank(self) -> UNet2DConditionModel:
        """A UNet on the device with uninitialised parameters, to be overwritten."""
        return materialise(meta_unet(self._spec), self._device, self._dtype, self._layout)

    @cached_property
    def _shapes(self) -> Mapping[str, torch.Size]:
        return shapes_of(meta_unet(self._spec))

    def _read_base(self) -> Mapping[str, torch.Tensor]:
        weights, path = read_weights(self._spec, self._spec.base, BASE_UNET)
        check_shapes(self._shapes, weights, path)
        return self._prepare(weights)

    def _lock(self, weights: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return page_lock(weights, self._device) or weights

    def _prepare(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """In the dtype of the UNets, so that nothing is cast at each switch.

        A file's own tensors are mapped, and the system takes their memory back when it is short. A
        cast is a copy that stays: where the host has no room for it, each switch casts anew.
        """
        others = [each for each in weights.values() if each.dtype != self._dtype]
        if not (self._pinned and others):
            return weights
        if not host_has_room(self._dtype.itemsize * sum(each.numel() for each in others)):
            log.warning("the host has no room for weights in %s: switching is slower", self._dtype)
            return weights
        return {name: tensor.to(self._dtype) for name, tensor in weights.items()}
