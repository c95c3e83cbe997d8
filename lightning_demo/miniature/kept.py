"""What a training run computes once, and keeps while what it is made of stays the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def digest(parts: Iterable[bytes | memoryview]) -> str:
    """SHA-256 of all parts in their order, in hexadecimal; where one ends counts, too."""
    whole = sha256()
    for part in parts:
        whole.update(sha256(part).digest())
    return whole.hexdigest()


def keep(file: Path, made_of: str, make: Callable[[], T]) -> T:
    """The value in the file if it was made of the same; otherwise a new one, which is kept there.

    Args:
        made_of: the `digest` of all that the value depends on.
        make: returns tensors, in lists or tuples.

    A crash while writing leaves the file before.
    """
    kept = _read(file, made_of)
    if kept is not None:
        return kept
    new = file.with_suffix(".new")
    torch.save({"made_of": made_of, "value": make()}, new)
    new.replace(file)
    return _read(file, made_of)


def _read(file: Path, made_of: str) -> Any:
    """The value in the file, each part read when it is first needed; None if there is no such."""
    if not file.exists():
        return None
    kept = torch.load(file, weights_only=True, mmap=True)
    same = isinstance(kept, dict) and kept.get("made_of") == made_of
    return kept["value"] if same else None
