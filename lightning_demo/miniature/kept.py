"""What a training run computes once, and keeps while what it is made of stays the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

T = TypeVar("T")


def digest(parts: Iterable[bytes | memoryview]) -> str:
    """SHA-256 of all parts in their order, in hexadecimal; where one ends counts, too."""
    whole = sha256()
    for part in parts:
        whole.update(sha256(part).digest())
    return whole.hexdigest()


def numbers(array: NDArray[Any]) -> memoryview:
    """The numbers of an array, as a part of a digest."""
    return np.ascontiguousarray(array).reshape(-1).data


def weights(state: Mapping[str, torch.Tensor]) -> Iterator[bytes | memoryview]:
    """A network's weights with their names, as parts of a digest; the same on every device."""
    for name in sorted(state):
        yield name.encode()
        yield numbers(state[name].cpu().numpy())


@contextmanager
def replaced(file: Path) -> Iterator[Path]:
    """Where to write a file anew: beside it, until it is whole and takes its place.

    A crash while writing leaves the file before, or none; half of one would count as a whole one.
    """
    new = file.with_suffix(".new")
    yield new
    new.replace(file)


def keep(file: Path, made_of: str, make: Callable[[], T]) -> T:
    """The value in the file if it was made of the same; otherwise a new one, which is kept there.

    Args:
        made_of: the `digest` of all that the value depends on.
        make: returns tensors, in lists or tuples.
    """
    kept = _read(file, made_of)
    if kept is not None:
        return kept
    value = make()
    with replaced(file) as new:
        torch.save({"made_of": made_of, "value": value}, new)
    return _read(file, made_of)


def _read(file: Path, made_of: str) -> Any:
    """The value in the file, each part read when it is first needed; None if there is no such."""
    if not file.exists():
        return None
    kept = torch.load(file, weights_only=True, mmap=True)
    same = isinstance(kept, dict) and kept.get("made_of") == made_of
    return kept["value"] if same else None
