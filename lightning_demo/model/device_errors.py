"""Errors of a device in words: whether one call has failed, or all will."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import DeviceLost, OutOfMemory, is_out_of_memory
from .device import give_back_memory, responds


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def device_errors(device: torch.device) -> Iterator[None]:
    """Tells an error of this call from the end of the device, and both in words.

    Raises:
        OutOfMemory: a smaller picture may fit.
        DeviceLost: nothing will be computed any more.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # Not by its kind: libraries of CUDA and compiled programs raise errors of their own.
        if not responds(device):
            raise DeviceLost(
                f"The device has stopped working ({_first_line(error)}); the server has to be "
                "started again."
            ) from error
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold what did not leave enough room
        give_back_memory(device)
        raise OutOfMemory(
            "The device has too little free memory for this picture. A smaller size or guidance of "
            "at most 1 needs less, and so does ending other programs that use the device; fewer "
            "steps do not."
        ) from error
