"""What makes the model faster. Each can be switched off; all but fp8 keep the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...settings import Settings

CUDA_ONLY = ("cuda_graphs", "channels_last", "cudnn_attention")


@dataclass(frozen=True, slots=True)
class Speed:
    """The optimisations that are on; each field has the name of its setting."""

    compile: bool = False  # blocks first, then whole graphs, for each size
    cuda_graphs: bool = False
    channels_last: bool = False
    cudnn_attention: bool = False
    cross_attention_cache: bool = True  # a prompt's keys and values once, not at each step
    fp8: bool = False
    compile_backend: str = "inductor"

    @classmethod
    def of(cls, settings: Settings, device_type: str) -> Speed:
        """The optimisations that the settings leave on and the device can use.

        A CPU compiles for a minute per size to save a quarter of a step: only on request.
        """
        flags = {item.name: getattr(settings, item.name) for item in fields(cls)}
        if device_type != "cuda":
            flags |= dict.fromkeys(CUDA_ONLY, False)
            flags["compile"] = settings.compile and settings.compile_on_cpu
        return cls(**flags)

    @property
    def memory_format(self) -> torch.memory_format:
        """The memory layout of UNets and decoders."""
        return torch.channels_last if self.channels_last else torch.preserve_format

    @contextmanager
    def attention(self) -> Iterator[None]:
        """Prefers cuDNN's attention kernels inside, if they are on.

        diffusers' own switch (`set_attention_backend`) does nothing for SDXL's processors.
        """
        if not self.cudnn_attention:
            yield
            return
        order = [
            SDPBackend.CUDNN_ATTENTION,
            SDPBackend.FLASH_ATTENTION,
            SDPBackend.EFFICIENT_ATTENTION,
            SDPBackend.MATH,
        ]
        with sdpa_kernel(order, set_priority=True):
            yield
