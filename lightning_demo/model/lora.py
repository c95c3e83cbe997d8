"""Adds a LoRA to the weights of a UNet.

Low-rank adaptation (Hu et al., arXiv 2106.09685): W' = W + alpha / rank * up @ down. Files are in
the key format of SDXL-Lightning's own LoRA files, which diffusers and ComfyUI read too:
`lora_unet_<module path, dots as underscores>.lora_down.weight`, `.lora_up.weight`, `.alpha`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ..errors import CheckpointError

PREFIX = "lora_unet_"


def fuse(
    base: Mapping[str, torch.Tensor],
    lora: Mapping[str, torch.Tensor],
    path: Path,
    dtype: torch.dtype = torch.float32,
) -> dict[str, torch.Tensor]:
    """The weights of a UNet with a LoRA added at scale 1; what it changes is in `dtype`.

    Args:
        base: state dict of the UNet, names as in diffusers.
        lora: tensors of the LoRA file at `path`.
        dtype: what the UNet will compute in; the sum is rounded no more than to that.

    Raises:
        CheckpointError: naming the file, when it is no LoRA of this UNet.
    """
    modules = {
        PREFIX + name.removesuffix(".weight").replace(".", "_"): name
        for name in base
        if name.endswith(".weight")
    }
    fused = dict(base)
    for module in sorted({key.partition(".")[0] for key in lora}):
        name = modules.get(module)
        down = lora.get(f"{module}.lora_down.weight")
        up = lora.get(f"{module}.lora_up.weight")
        if name is None or down is None or up is None:
            raise CheckpointError(f"{path} is not a LoRA of this UNet: {module} does not fit.")
        rank = down.shape[0]
        scale = float(lora.get(f"{module}.alpha", torch.tensor(rank))) / rank
        weight = base[name]
        delta = up.float().flatten(1) @ down.float().flatten(1)
        if delta.numel() != weight.numel():
            raise CheckpointError(f"{path} is not a LoRA of this UNet: {module} does not fit.")
        fused[name] = (weight.float() + scale * delta.reshape(weight.shape)).to(dtype)
    return fused
