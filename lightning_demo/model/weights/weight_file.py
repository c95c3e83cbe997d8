"""Opens weight files after checking them. Only safetensors are opened, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from ...errors import CheckpointError
from ..hub.download import sha256 as hash_file

_PICKLE_OR_ZIP = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def check_file(path: Path, sha256: str | None = None) -> None:
    """Checks that a weight file is what its name says, without reading it all into memory.

    Raises:
        CheckpointError: naming the file, when it is missing, cut short, something else under
            this name (pickle, LFS pointer, web page), or not the file with that hash.
    """
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path} is not a safetensors file; no other kind is opened.")
    if not path.is_file():
        raise CheckpointError(f"{path} is missing.")
    with path.open("rb") as file:
        start = file.read(128)
    # A safetensors file starts with 8 bytes of length, which can be anything, then with its header.
    looks_right = start[8:9] == b"{"
    if start.startswith(_PICKLE_OR_ZIP) and not looks_right:
        raise CheckpointError(f"{path} is a pickle under another name; it was not opened.")
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path} is a Git LFS pointer, not the weights: run `git lfs pull`.")
    if start.lstrip()[:1] == b"<" and not looks_right:
        raise CheckpointError(f"{path} is a web page, not weights: delete it and download again.")
    if sha256 is not None and (found := hash_file(path)) != sha256:
        raise CheckpointError(
            f"{path} is not the expected file: its sha256 is {found[:12]}…, the checkpoint "
            f"table says {sha256[:12]}…. Fetch it again."
        )
    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is damaged or cut short ({error}). Fetch it again."
        ) from error


def load_weights(path: Path, sha256: str | None = None) -> dict[str, torch.Tensor]:
    """Loads a safetensors file onto the CPU, checked as by `check_file` and `check_finite`."""
    check_file(path, sha256)
    weights = load_file(path)
    check_finite(weights, path)
    return weights


def check_finite(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Checks that the tensors of `path` hold no NaN and nothing infinite.

    A single NaN makes every picture black, without a hint where it came from.

    Raises:
        CheckpointError: naming the file and the tensor.
    """
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        # Minimum and maximum are finite only if all values are; this reads once and copies nothing.
        low, high = (tensor if tensor.itemsize > 1 else tensor.half()).aminmax()
        if not (low.isfinite() and high.isfinite()):
            raise CheckpointError(
                f"{path} holds NaN or infinite values in {name}: the file is damaged or was badly "
                "made. Fetch it again, or use another."
            )


def fill(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Loads `weights` into `module`; every name and shape must match.

    Raises:
        CheckpointError: naming the file, when it belongs to another architecture.
    """
    check_shapes(shapes_of(module), weights, path)
    module.load_state_dict(dict(weights))


def shapes_of(module: torch.nn.Module) -> dict[str, torch.Size]:
    """Shapes by name of a module's weights."""
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


def check_shapes(
    expected: Mapping[str, torch.Size], weights: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Checks that `weights` have exactly the names and shapes expected.

    Raises:
        CheckpointError: naming the file, when it belongs to another architecture.
    """
    odd = [
        name
        for name in sorted(expected.keys() | weights.keys())
        if name not in expected or name not in weights or weights[name].shape != expected[name]
    ]
    if odd:
        raise CheckpointError(
            f"{path} does not fit this model: {len(odd)} of {len(expected)} tensors are missing, "
            f"unknown or of another shape, the first is {odd[0]}."
        )
