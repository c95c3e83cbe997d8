"""Reads LoRA tensors and adds them to the weights they were made for.

Low-rank adaptation (Hu et al., arXiv 2106.09685): W' = W + alpha / rank * up @ down. A module's
tensors come as `.lora_down.weight`, `.lora_up.weight`, `.alpha` (kohya, SDXL-Lightning, ComfyUI) or
as `.lora_A.weight`, `.lora_B.weight` and older spellings (diffusers, PEFT). The caller maps module
names to weights; the default is kohya's `lora_unet_<path, dots as underscores>`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...errors import CheckpointError

PREFIX = "lora_unet_"

_KEY = re.compile(
    r"(?P<module>.+?)(?:"
    r"\.lora_(?P<flat>down|up|A|B)(?:\.\w+)?\.weight"  # PEFT may put an adapter's name in between
    r"|[._]lora(?:_linear_layer)?\.(?P<dotted>down|up)\.weight"
    r"|\.(?P<alpha>alpha))"
)
_KINDS = {"down": "down", "A": "down", "up": "up", "B": "up", "alpha": "alpha"}

# Relatives of LoRA with similar files. Adding them as plain LoRAs would be wrong.
_RELATIVES = {
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "lora_mid": "LoCon with a core tensor",
}


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """What a LoRA adds to one weight."""

    name: str  # of the weight in the state dict
    up: torch.Tensor  # [out, rank] or, for a convolution, [out, rank, 1, 1]
    down: torch.Tensor  # [rank, in] or [rank, in, height, width]
    scale: float  # alpha / rank

    def matrix(self, weight: torch.Tensor) -> torch.Tensor:
        """The difference as float32, in the shape of the weight and on its device."""
        up, down = (t.to(weight.device, torch.float32).flatten(1) for t in (self.up, self.down))
        return self.scale * (up @ down).reshape(weight.shape)


def read_deltas(
    lora: Mapping[str, torch.Tensor],
    shapes: Mapping[str, torch.Size],
    path: Path,
    weight_of: Callable[[str], str | None] | None = None,
) -> tuple[Delta, ...]:
    """The deltas of a LoRA's tensors, sorted by module name.

    Args:
        lora: tensors of the file at `path`, or the part of them that belongs to one model.
        shapes: shapes of the model's weights by name.
        weight_of: maps a module name in the file to a weight, or to None; default: kohya's names
            of a UNet.

    Raises:
        CheckpointError: naming the file, when it is not a LoRA or was made for another model.
    """
    weight_of = weight_of or kohya_names(shapes).get
    deltas: dict[str, Delta] = {}
    for module, parts in sorted(_modules(lora, path).items()):
        name = weight_of(module)
        delta = None if name is None else _delta(name, parts, shapes[name])
        if delta is None:
            raise _unfit(path, module)
        if delta.name in deltas:
            raise CheckpointError(
                f"{path} changes {delta.name} twice; which one counts is unclear."
            )
        deltas[delta.name] = delta
    return tuple(deltas.values())


def scaled(deltas: Iterable[Delta], scale: float) -> tuple[Delta, ...]:
    """The deltas times `scale`; none at scale 0, so that no bit of a weight changes."""
    return tuple(replace(delta, scale=delta.scale * scale) for delta in deltas) if scale else ()


def by_weight(deltas: Iterable[Delta]) -> dict[str, list[Delta]]:
    """Weight name -> its deltas, in their order."""
    groups: dict[str, list[Delta]] = {}
    for delta in deltas:
        groups.setdefault(delta.name, []).append(delta)
    return groups


def sum_deltas(weight: torch.Tensor, deltas: Iterable[Delta]) -> torch.Tensor:
    """One weight with its deltas added, in float32 on the weight's device."""
    total = weight.float()
    for delta in deltas:
        total = total + delta.matrix(total)
    return total


def add(weights: Mapping[str, torch.Tensor], deltas: Iterable[Delta]) -> dict[str, torch.Tensor]:
    """The weights with all deltas added; changed ones are in float32."""
    sums = {name: sum_deltas(weights[name], each) for name, each in by_weight(deltas).items()}
    return {**weights, **sums}


def fuse(
    base: Mapping[str, torch.Tensor], lora: Mapping[str, torch.Tensor], path: Path
) -> dict[str, torch.Tensor]:
    """The weights of a UNet with a LoRA in kohya's names added at scale 1.

    Args:
        base: state dict of the UNet, names as in diffusers.
        lora: tensors of the LoRA file at `path`.

    Raises:
        CheckpointError: naming the file, when it is not a LoRA of this UNet.
    """
    shapes = {name: weight.shape for name, weight in base.items()}
    return add(base, read_deltas(lora, shapes, path))


def kohya_names(names: Iterable[str]) -> dict[str, str]:
    """kohya's module names of a UNet -> weight names."""
    return {
        PREFIX + name.removesuffix(".weight").replace(".", "_"): name
        for name in names
        if name.endswith(".weight")
    }


def module_of(key: str) -> str | None:
    """The module that a LoRA file's key belongs to; None when it is not a LoRA's key."""
    match = _KEY.fullmatch(key)
    return match["module"] if match else None


def _modules(lora: Mapping[str, torch.Tensor], path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Module -> its tensors by kind: down, up, alpha."""
    modules: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in lora.items():
        relative = next((words for mark, words in _RELATIVES.items() if mark in key), None)
        if relative is not None:
            raise CheckpointError(f"{path} is a {relative}; only plain LoRA files can be added.")
        match = _KEY.fullmatch(key)
        if match is None:
            raise _unfit(path, key)
        kind = _KINDS[match["flat"] or match["dotted"] or match["alpha"]]
        modules.setdefault(match["module"], {})[kind] = tensor
    return modules


def _delta(name: str, parts: Mapping[str, torch.Tensor], shape: torch.Size) -> Delta | None:
    """The delta of these tensors; None when they do not fit that shape."""
    down, up, alpha = parts.get("down"), parts.get("up"), parts.get("alpha")
    if down is None or up is None or min(down.dim(), up.dim(), len(shape)) < 2:
        return None
    rank = down.shape[0]
    fits = up.flatten(1).shape == (shape[0], rank)
    # Not `shape.numel()`: where `spaces` emulates a GPU (ZeroGPU), shapes are plain tuples.
    fits = fits and down.flatten(1).shape == (rank, math.prod(shape[1:]))
    if not (rank and fits) or (alpha is not None and alpha.numel() != 1):
        return None
    return Delta(name, up, down, 1.0 if alpha is None else float(alpha) / rank)


def _unfit(path: Path, module: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a LoRA of this model but was made for another model, or is no LoRA at all: "
        f"{module} does not fit."
    )
