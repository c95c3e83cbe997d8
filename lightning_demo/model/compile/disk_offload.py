"""Weights that are hardly read any more, in a file instead of in memory.

A program of OpenVINO holds its own copy of a module's weights, in the layout that the processor
wants. torch's are still needed: by calls that no program fits, for a new prompt's keys and values,
and to tell programs apart. Of a mapped file, the system brings back what is read.
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
    """A module whose tensors are pages of a file, which has no name and ends with the last of them.

    A fork of this process shares them, and sees what either writes.
    """

    def __init__(self, module: torch.nn.Module, folder: Path) -> None:
        """Moves all parameters and buffers of a module on the CPU; their values stay, to the bit.

        What is written to them later goes to the file. Tensors that are parts of others stay parts.
        No other thread may use the module meanwhile.

        Args:
            folder: where the file is; on Windows with a name, until the process ends.

        Raises:
            OSError: it cannot be written, or not mapped; the module is as it was.
            RuntimeError: a tensor has no memory of its own; the module is as it was.
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
            pairs = [
                (tensor, _same(tensor, moved[_address(tensor)])) for tensor in _tensors(module)
            ]
            for tensor, there in pairs:
                tensor.data = there
        self.rest()

    def rest(self) -> None:
        """Gives back the memory of what has been read; Windows does that when others need it.

        Raises:
            OSError: it may not be, as where a process keeps all that it has in memory.
        """
        if self._pages is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)


def _tensors(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    return (each for each in chain(module.parameters(), module.buffers()) if each.nbytes)


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _same(tensor: torch.Tensor, storage: torch.UntypedStorage) -> torch.Tensor:
    """The same part of another storage."""
    layout = tensor.storage_offset(), tensor.shape, tensor.stride()
    return torch.empty(0, dtype=tensor.dtype).set_(storage, *layout)
