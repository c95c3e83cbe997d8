"""Adds a LoRA to the weights of a UNet.

Low-rank adaptation (Hu et al., arXiv 2106.09685): W' = W + alpha / rank * up @ down. Files are in
the key format of SDXL-Lightning's own LoRA files, which diffusers and ComfyUI read too:
`lora_unet_<module path, dots as underscores>.lora_down.weight`, `.lora_up.weight`, `.alpha`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import CheckpointError

PREFIX = "lora_unet_"


@dataclass(frozen=True, slots=True)
class Delta:
    """What a LoRA adds to one weight."""

    name: str  # of the weight in the state dict
    up: torch.Tensor
    down: torch.Tensor
    scale: float  # alpha / rank

    def matrix(self, shape: torch.Size) -> torch.Tensor:
        """scale * up @ down as float32 of that shape, computed where the factors are."""
        product = self.up.float().flatten(1) @ self.down.float().flatten(1)
        return self.scale * product.reshape(shape)


def read_lora(
    lora: Mapping[str, torch.Tensor], shapes: Mapping[str, torch.Size], path: Path
) -> tuple[Delta, ...]:
    """The deltas of a LoRA for the UNet whose weights have these names and shapes.

    Raises:
        CheckpointError: naming the file, when it is no LoRA of this UNet.
    """
    modules = {
        PREFIX + name.removesuffix(".weight").replace(".", "_"): name
        for name in shapes
        if name.endswith(".weight")
    }
    deltas = []
    for module in sorted({key.partition(".")[0] for key in lora}):
        name = modules.get(module)
        down = lora.get(f"{module}.lora_down.weight")
        up = lora.get(f"{module}.lora_up.weight")
        if name is None or down is None or up is None or not _fits(up, down, shapes[name]):
            raise CheckpointError(f"{path} is not a LoRA of this UNet: {module} does not fit.")
        rank = down.shape[0]
        alpha = float(lora.get(f"{module}.alpha", torch.tensor(rank)))
        deltas.append(Delta(name, up, down, alpha / rank))
    return tuple(deltas)


def _fits(up: torch.Tensor, down: torch.Tensor, shape: torch.Size) -> bool:
    into, rank = up.flatten(1).shape
    return down.shape[0] == rank and into * down.flatten(1).shape[1] == shape.numel()


def fuse(
    base: Mapping[str, torch.Tensor],
    lora: Mapping[str, torch.Tensor],
    path: Path,
    dtype: torch.dtype = torch.float32,
) -> dict[str, torch.Tensor]:
    """The weights of a UNet with a LoRA added at scale 1; what it changes is in `dtype`.

    Raises:
        CheckpointError: as `read_lora`.
    """
    fused = dict(base)
    for delta in read_lora(lora, {name: tensor.shape for name, tensor in base.items()}, path):
        weight = fused[delta.name]
        fused[delta.name] = (weight.float() + delta.matrix(weight.shape)).to(dtype)
    return fused
