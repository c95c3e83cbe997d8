"""What makes the model faster; each can be switched off, and all but fp8 keep its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch.nn.attention import SDPBackend, sdpa_kernel

from ...settings import Settings


@dataclass(frozen=True, slots=True)
class Speed:
    """The optimisations that are on."""

    compile: bool = False  # blocks first, then whole graphs, for each size
    cuda_graphs: bool = False
    channels_last: bool = False
    cudnn_attention: bool = False
    cross_attention_cache: bool = True  # keys and values of a prompt, once and not at each step
    fp8: bool = False
    backend: str = "inductor"  # of torch.compile

    @classmethod
    def of(cls, settings: Settings, device_type: str) -> Speed:
        """What the settings leave on and the device can use.

        A CPU compiles for a minute a size to save a quarter of a step: only when told to.
        """
        cuda = device_type == "cuda"
        return cls(
            compile=settings.compile and (cuda or settings.compile_on_cpu),
            cuda_graphs=settings.cuda_graphs and cuda,
            channels_last=settings.channels_last and cuda,
            cudnn_attention=settings.cudnn_attention and cuda,
            cross_attention_cache=settings.cross_attention_cache,
            fp8=settings.fp8,
            backend=settings.compile_backend,
        )

    @property
    def improves(self) -> bool:
        """Whether anything gets faster while serving."""
        return self.compile or self.cuda_graphs

    @contextmanager
    def attention(self) -> Iterator[None]:
        """Inside, attention is computed by the kernels preferred; diffusers' own switch
        (`set_attention_backend`) does nothing for SDXL's processors."""
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
