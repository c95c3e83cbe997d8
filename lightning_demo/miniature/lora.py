"""LoRA files made from two sets of weights: the best low-rank fit to what distillation changed.

Low-rank adaptation (Hu et al., arXiv 2106.09685) in the key format of SDXL-Lightning's own files:
`lora_unet_<module path, dots as underscores>.lora_down.weight`, `.lora_up.weight`, `.alpha`.
Biases and norms have no place in that format and keep the teacher's values; so does
`add_embedding`, whose name diffusers does not find in this format, and which distillation therefore
leaves frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

PREFIX = "lora_unet_"
FROZEN = "add_embedding."  # distillation must not train what no LoRA can carry
Weights = Mapping[str, torch.Tensor]


def lora_tensors(
    teacher: Weights, student: Weights, rank: int, dtype: torch.dtype = torch.float16
) -> dict[str, torch.Tensor]:
    """The tensors of a LoRA that turns the teacher's linear and conv weights into the student's.

    The truncated singular value decomposition of the difference is the nearest matrix of that
    rank (Eckart-Young); `alpha` equals the rank, so the LoRA's own scale is 1.

    Args:
        rank: 1 and up; at the full rank of a weight the fit is exact up to rounding.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in teacher.items():
        if not name.endswith(".weight") or weight.dim() < 2 or name.startswith(FROZEN):
            continue
        # conv weights [out, in, kh, kw] are matrices [out, in * kh * kw]
        delta = (student[name].float() - weight.float()).flatten(1)
        u, s, vh = torch.linalg.svd(delta, full_matrices=False)
        keep = min(rank, s.numel())
        root = s[:keep].sqrt()
        down = root[:, None] * vh[:keep]
        up = u[:, :keep] * root
        module = PREFIX + name.removesuffix(".weight").replace(".", "_")
        tail = weight.shape[2:]
        ones = (1,) * len(tail)
        tensors[f"{module}.lora_down.weight"] = down.reshape(keep, weight.shape[1], *tail).to(dtype)
        tensors[f"{module}.lora_up.weight"] = up.reshape(-1, keep, *ones).to(dtype)
        tensors[f"{module}.alpha"] = torch.tensor(float(keep), dtype=dtype)
    return tensors


def fuse_lora(teacher: Weights, lora: Weights) -> dict[str, torch.Tensor]:
    """The teacher's weights with the LoRA added at scale 1."""
    fused = dict(teacher)
    for name, weight in teacher.items():
        module = PREFIX + name.removesuffix(".weight").replace(".", "_")
        down = lora.get(f"{module}.lora_down.weight")
        if down is None or not name.endswith(".weight"):
            continue
        scale = float(lora[f"{module}.alpha"]) / down.shape[0]
        up = lora[f"{module}.lora_up.weight"].float().flatten(1)
        delta = scale * up @ down.float().flatten(1)
        fused[name] = (weight.float() + delta.reshape(weight.shape)).to(weight.dtype)
    return fused


def save_lora(teacher: Weights, student: Weights, path: Path, rank: int) -> None:
    """Writes the LoRA as one fp16 safetensors file."""
    tensors = {k: v.contiguous() for k, v in lora_tensors(teacher, student, rank).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def save_unet(unet: nn.Module, path: Path) -> None:
    """Writes a whole UNet as one fp16 safetensors file."""
    tensors = {k: v.half().contiguous() for k, v in unet.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt"})
