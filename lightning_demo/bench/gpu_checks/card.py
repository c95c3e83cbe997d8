"""A smaller card than the one that is here, as far as torch's own memory goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def limit_memory(count: float, device: torch.device) -> None:
    """From here on this process takes no more of a GPU than so many bytes.

    CUDA's context and what it loads are not in it, as they are not in what is free at the start.
    """
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(max(0.0, min(1.0, count / total)), device)


@contextmanager
def memory_of(count: float, device: torch.device) -> Iterator[None]:
    """Inside, a GPU is no larger."""
    limit_memory(count, device)
    try:
        yield
    finally:
        limit_memory(float("inf"), device)
