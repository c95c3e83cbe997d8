"""What makes the model faster. Each can be switched off.

All but fp8 and fp16_accumulation keep the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...errors import InvalidSetting
from ...settings import Settings
from .toolchain import openvino_problem

CUDA_ONLY = (
    "cuda_graphs",
    "channels_last",
    "cudnn_attention",
    "cudnn_benchmark",
    "autotune",
    "fp16_accumulation",
    "decode_stream",
)
# Of the inductor backend, as diffusers' guide to speed sets them.
AUTOTUNE = {"max_autotune": True, "coordinate_descent_tuning": True, "conv_1x1_as_mm": True}


@dataclass(frozen=True, slots=True)
class Speed:
    """The optimisations that are on; each field has the name of its setting."""

    compile: bool = False
    cuda_graphs: bool = False
    channels_last: bool = False
    cudnn_attention: bool = False
    cudnn_benchmark: bool = False  # while calls are recorded: each keeps what it found
    autotune: bool = False
    fp16_accumulation: bool = False
    decode_stream: bool = False  # for the full decoder, with graphs and memory of its own
    cross_attention_cache: bool = True  # a prompt's keys and values once, not at each step
    fp8: bool = False
    compile_backend: str = "inductor"

    @classmethod
    def of(cls, settings: Settings, device_type: str, *, small: bool) -> Speed:
        """The optimisations that the settings leave on and the device can use.

        Args:
            small: whether the model is: OpenVINO holds the weights a second time.

        Raises:
            InvalidSetting: OpenVINO is asked for where it cannot be used.
        """
        flags = {item.name: getattr(settings, item.name) for item in fields(cls)}
        if device_type != "cuda" or torch.version.hip:
            # AMD's GPUs report as "cuda"; what nobody has tried there stays off.
            flags |= dict.fromkeys(CUDA_ONLY, False)
        asked = settings.compile_backend
        backend = _backend(asked, device_type, small=small) if settings.compile else None
        flags["compile"] = backend is not None
        flags["compile_backend"] = backend or "inductor"
        return cls(**flags)

    @property
    def compile_options(self) -> dict[str, Any]:
        """Options of the compiler."""
        return dict(AUTOTUNE) if self.autotune else {}

    def configure(self) -> None:
        """Sets what torch keeps for the whole process."""
        torch.backends.cuda.matmul.allow_fp16_accumulation = self.fp16_accumulation

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


def _backend(asked: str, device_type: str, *, small: bool) -> str | None:
    """The compiler for a device; None where nothing is compiled unless it is asked for by name."""
    if asked == "auto" and device_type == "cuda":
        return "inductor"
    if asked == "auto":
        return "openvino" if device_type == "cpu" and small and not openvino_problem() else None
    if device_type not in ("cuda", "cpu"):
        return None
    if asked == "openvino":
        if device_type != "cpu" or not small:
            raise InvalidSetting("compile_backend: openvino is for the miniature on a CPU.")
        if problem := openvino_problem():
            raise InvalidSetting(f"compile_backend: {problem}")
    return asked
