"""Finds weight files, and refuses those that are not what they should be.

The local cache is asked first and the Hub only for what is missing, so that an offline machine
does not wait for time-outs. Only safetensors are ever opened: no pickle is loaded anywhere.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from ..errors import CheckpointError
from .checkpoints import Repository

log = logging.getLogger(__name__)

_PICKLE_OR_ZIP = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def locate(repository: Repository, files: tuple[str, ...], *, download: bool = True) -> Path:
    """The folder on this machine that holds `files` of a repository, downloaded if need be.

    Args:
        files: names or patterns relative to the repository, e.g. "unet/config.json", "vae/*".
        download: whether the Hub may be asked for what is not here.

    Raises:
        CheckpointError: the files are neither here nor to be had; the message says which.
    """
    if repository.folder is not None:
        for name in files:
            if not any(repository.folder.glob(name)):
                raise CheckpointError(
                    f"{repository.folder / name} is missing: fetch the project's files again "
                    "(git checkout assets), or train them with "
                    "`python -m lightning_demo miniature train`."
                )
        return repository.folder
    folder = _snapshot(repository, files, local_files_only=True)
    if folder is None and not download:
        raise CheckpointError(
            f"{', '.join(files)} of {repository.name} is not on this machine yet; it will be "
            "downloaded when first needed."
        )
    folder = folder or _snapshot(repository, files, local_files_only=False)
    if folder is None:
        raise CheckpointError(
            f"{', '.join(files)} of {repository.name} could not be downloaded from the Hugging "
            "Face Hub. Check the network and the free disk space, then start again: what is "
            "already there is kept."
        )
    return folder


def _snapshot(
    repository: Repository, files: tuple[str, ...], *, local_files_only: bool
) -> Path | None:
    """The repository's folder in the Hub client's cache; None when a file is not to be had."""
    try:
        folder = Path(
            snapshot_download(
                repository.name,
                revision=repository.revision,
                allow_patterns=list(files),
                local_files_only=local_files_only,
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if not local_files_only:
            log.warning("%s: %s", repository.name, error)
        return None
    return folder if all(any(folder.glob(name)) for name in files) else None


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
    if sha256 is not None and (found := _sha256(path)) != sha256:
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
    """Loads a safetensors file onto the CPU, checked as by `check_file`."""
    check_file(path, sha256)
    return load_file(path)


def check_finite(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Checks that every number of the tensors of `path` is one.

    A single NaN makes every picture black, and says nothing of where it came from.

    Raises:
        CheckpointError: naming the file and the tensor with a NaN or infinite value.
    """
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        # Both ends are finite only if all between are; this reads once and allocates nothing.
        low, high = (tensor if tensor.itemsize > 1 else tensor.half()).aminmax()
        if not (low.isfinite() and high.isfinite()):
            raise CheckpointError(
                f"{path} holds values that are no numbers (NaN or infinite) in {name}: the file is "
                "damaged or was badly made. Fetch it again, or use another."
            )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fill(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Puts `weights` into `module`; every name and shape must fit.

    Raises:
        CheckpointError: naming the file, when it belongs to another architecture.
    """
    check_shapes(
        {name: tensor.shape for name, tensor in module.state_dict().items()}, weights, path
    )
    module.load_state_dict(dict(weights))


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
