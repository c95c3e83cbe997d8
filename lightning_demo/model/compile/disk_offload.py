"""Weights that are hardly read any more, in a file instead of in memory.

A program of OpenVINO holds its own copy of a UNet's weights, in the layout that the processor
wants. torch's are still needed: by calls that no program fits, and to tell programs apart. Of a
mapped file, the system brings back what is read.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import torch

ALIGNMENT = 64  # bytes; what torch gives tensors of its own
MOST_BYTES = 256 * 2**20  # of a module: requests wait while it is written


class DiskOffload:
    """A module whose tensors are pages of a file, which has no name and ends with the process."""

    def __init__(self, module: torch.nn.Module, folder: Path) -> None:
        """Moves all parameters and buffers of a module on the CPU; their values stay, to the bit.

        What is overwritten later is, in the file. Tensors that are parts of others stay parts. No
        other thread may use the module meanwhile.

        Args:
            folder: where the file is.

        Raises:
            OSError: it cannot be written, or not mapped; the module is as it was.
        """
        self._pages: mmap.mmap | None = None
        storages = {_address(tensor): tensor.untyped_storage() for tensor in _tensors(module)}
        if not 0 < sum(storage.nbytes() for storage in storages.values()) <= MOST_BYTES:
            return
        starts: dict[int, int] = {}
        with tempfile.TemporaryFile(dir=folder) as file:
            for address, storage in storages.items():
                starts[address] = file.tell()
                content = torch.empty(0, dtype=torch.uint8).set_(storage)
                file.write(content.numpy().data)
                file.write(bytes(-file.tell() % ALIGNMENT))
            file.flush()
            self._pages = mmap.mmap(file.fileno(), 0)
        with torch.inference_mode(False):
            moved = {
                address: torch.frombuffer(
                    self._pages, dtype=torch.uint8, offset=start, count=storages[address].nbytes()
                ).untyped_storage()
                for address, start in starts.items()
            }
            for tensor in list(_tensors(module)):
                if (address := _address(tensor)) in moved:  # else it is one that has been met
                    view = torch.empty(0, dtype=tensor.dtype)
                    layout = tensor.storage_offset(), tensor.shape, tensor.stride()
                    tensor.data = view.set_(moved[address], *layout)

    def rest(self) -> None:
        """Gives back the memory of what has been read."""
        if self._pages is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)


def _tensors(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    return (each for each in chain(module.parameters(), module.buffers()) if each.nbytes)


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
