"""What a model paints with, in one short text: two servers with equal ones paint alike.

Weights on the Hub are named by their commit, of a branch by that which is here, and those in
`assets/` by their published hashes. A file of one's own is known by its size and by pieces of it,
its header among them: to read 7 GB through would take longer than to load them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from ...errors import CheckpointError
from ..hub.repository import Repository, file_names
from .lora_setting import Lora
from .model_spec import ModelSpec

PIECES = 16  # of a file that are read
PIECE_BYTES = 2**16
LENGTH = 24  # characters


def fingerprint(spec: ModelSpec, loras: Iterable[Lora] = (), *, fp8: bool = False) -> str:
    """That of a model with its LoRAs.

    Args:
        fp8: whether its large layers are rounded to 8 bits.
    """
    content = {
        "model": spec.name,
        "sizes": spec.sizes,
        "checkpoints": [(c.num_inference_steps, c.prediction_type) for c in spec.checkpoints],
        "files": sorted(_known(spec, *each) for each in _weight_files(spec)),
        "loras": [(_pieces(lora.path), lora.scale) for lora in loras],
        "fp8": fp8 and not spec.small,
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:LENGTH]


def is_settled(spec: ModelSpec) -> bool:
    """Whether the model's fingerprint stays: before a download nobody knows a branch's commit."""
    return all(
        repository.local or _commit(repository, file) for repository, file in _weight_files(spec)
    )


def _weight_files(spec: ModelSpec) -> Iterator[tuple[Repository, str]]:
    for repository, files in spec.files(*spec.limits.num_inference_steps):
        yield from ((repository, file) for file in files)


def _known(spec: ModelSpec, repository: Repository, file: str) -> str:
    """What tells this file from another of its name."""
    name = f"{repository.name}/{file}"
    if known := spec.sha256.get(name):
        return f"{file} {known}"
    if repository.single_file is not None:
        return _pieces(repository.single_file)
    if repository.folder is not None:
        found = (_pieces(repository.folder / each) for each in file_names(file))
        return f"{file} {next(filter(None, found), '')}"
    return f"{name}@{_commit(repository, file) or repository.revision}"


def _commit(repository: Repository, file: str) -> str:
    """The commit that a file of the Hub's is of; empty for one of a branch that is not here."""
    if repository.is_pinned:
        return repository.revision
    from ..hub.files import commit_of  # the Hub's client, which a pinned one does not take

    try:
        return commit_of(repository, file)
    except (CheckpointError, OSError, ValueError):  # ValueError: of a name that cannot be one
        return ""  # as in `_pieces`


def _pieces(path: Path) -> str:
    """The hash of a file's size and of pieces spread over it; empty where there is no file."""
    try:
        stat = path.stat()
        return _hash(path, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return ""  # what is wrong with it shows when it is loaded


@lru_cache
def _hash(path: Path, size: int, changed: int) -> str:
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for piece in range(PIECES):
            file.seek(piece * max(0, size - PIECE_BYTES) // (PIECES - 1))
            digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()
