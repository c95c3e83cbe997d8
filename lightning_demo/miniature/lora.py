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
from torch.func import functional_call

from ..model.weights.lora import PREFIX, fuse

IN_TRAINING = Path("the LoRA in training")  # where error messages would name a file
FROZEN = "add_embedding."  # distillation must not train what no LoRA can carry
ALPHA = 8.0  # of every module in a file
Weights = Mapping[str, torch.Tensor]


def lora_tensors(
    teacher: Weights,
    student: Weights,
    values: int | None = None,
    dtype: torch.dtype = torch.float16,
) -> dict[str, torch.Tensor]:
    """The tensors of a LoRA that turns the teacher's linear and conv weights into the student's.

    The truncated singular value decomposition of a difference is the nearest matrix of its rank
    (Eckart-Young). Ranks differ from module to module: the budget goes to the singular values
    that explain most of the change for their size. `alpha` equals the rank, so the scale is 1.

    Args:
        values: how many numbers the LoRA may hold; None: as many as make it exact.
    """
    parts = {
        name: _decompose(student[name] - weight)
        for name, weight in teacher.items()
        if fits_lora(name, weight)
    }
    tensors: dict[str, torch.Tensor] = {}
    for name, rank in _ranks(parts, values).items():
        u, s, vh = parts[name]
        root = s[:rank].sqrt()
        module = PREFIX + name.removesuffix(".weight").replace(".", "_")
        shape = teacher[name].shape
        down = (root[:, None] * vh[:rank]).reshape(rank, *shape[1:])
        up = (u[:, :rank] * root).reshape(shape[0], rank, *(1,) * len(shape[2:]))
        tensors[f"{module}.lora_down.weight"] = down.to(dtype).contiguous()
        tensors[f"{module}.lora_up.weight"] = up.to(dtype).contiguous()
        tensors[f"{module}.alpha"] = torch.tensor(float(rank), dtype=dtype)
    return tensors


def fits_lora(name: str, weight: torch.Tensor) -> bool:
    """Whether a LoRA file can hold a change of this weight."""
    return name.endswith(".weight") and weight.dim() >= 2 and not name.startswith(FROZEN)


def _decompose(delta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # conv weights [out, in, kh, kw] are matrices [out, in * kh * kw]
    u, s, vh = torch.linalg.svd(delta.float().flatten(1), full_matrices=False)
    return u, s, vh


def _ranks(
    parts: Mapping[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]], values: int | None
) -> dict[str, int]:
    """Module -> rank, without modules of rank 0."""
    if values is None:
        return {name: s.numel() for name, (_, s, _) in parts.items()}
    offers = [
        (float(sigma**2) / (u.shape[0] + vh.shape[1]), u.shape[0] + vh.shape[1], name)
        for name, (u, s, vh) in parts.items()
        for sigma in s
    ]
    ranks: dict[str, int] = {}
    for _, size, name in sorted(offers, reverse=True):
        if size <= values:
            ranks[name] = ranks.get(name, 0) + 1
            values -= size
    return ranks


class LowRank(nn.Module):
    """A UNet plus a LoRA of which only the factors are trained, called as the UNet is."""

    def __init__(self, unet: nn.Module, lora: Weights) -> None:
        super().__init__()
        # Hidden in a list, so that the UNet's weights are not parameters of this module.
        self._unet = [unet.eval().requires_grad_(False)]
        self.factors = nn.ParameterDict(
            {key.replace(".", "/"): nn.Parameter(value.float()) for key, value in lora.items()}
        )
        for key, factor in self.factors.items():
            factor.requires_grad_(not key.endswith("alpha"))

    @staticmethod
    def tensors(state: Weights) -> dict[str, torch.Tensor]:
        """The tensors of the LoRA's file, of this module's state."""
        return {k.removeprefix("factors.").replace("/", "."): v.half() for k, v in state.items()}

    def forward(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        factors = {key.replace("/", "."): factor for key, factor in self.factors.items()}
        weights = fuse(dict(self._unet[0].named_parameters()), factors, IN_TRAINING)
        return functional_call(self._unet[0], weights, args, kwargs)


def save_lora(tensors: Weights, path: Path) -> None:
    """Writes the LoRA as one safetensors file, with the same `alpha` for every module.

    diffusers loses the alphas of attention modules when they differ and takes the most common one
    for all, so what differs is moved into the factors.
    """
    even: dict[str, torch.Tensor] = {}
    for key, alpha in tensors.items():
        module, _, kind = key.rpartition(".")
        if kind != "alpha":
            continue
        root = (float(alpha) / ALPHA) ** 0.5
        for factor in (f"{module}.lora_down.weight", f"{module}.lora_up.weight"):
            even[factor] = (tensors[factor].float() * root).to(tensors[factor].dtype).contiguous()
        even[key] = torch.tensor(ALPHA, dtype=alpha.dtype)
    save_file(even, path, metadata={"format": "pt"})


def save_unet(unet: nn.Module, path: Path) -> None:
    """Writes a whole UNet as one fp16 safetensors file."""
    tensors = {k: v.half().contiguous() for k, v in unet.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt"})
