"""Which model suits this machine, told without importing torch (which takes seconds)."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import sys
from pathlib import Path

from .checkpoints import FAMILIES, MINIATURE, SDXL_LIGHTNING, Family


def choose_family(model: str, device: str) -> Family:
    """The model for the settings `model` and `device`: "auto" takes the real one on a GPU."""
    if model != "auto":
        return FAMILIES[model]
    wants_gpu = device == "auto" or device.startswith("cuda")
    return SDXL_LIGHTNING if wants_gpu and has_cuda() else MINIATURE


def has_cuda() -> bool:
    """Whether there is a CUDA GPU and the installed torch is built to use it."""
    return torch_cuda_version() is not None and cuda_device_count() > 0


def torch_cuda_version() -> str | None:
    """The CUDA version that the installed torch was built for; None for a build without."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    found = re.search(r"^cuda[^=\n]*=\s*'([^']+)'", text, re.MULTILINE)
    return found.group(1) if found else None


def cuda_device_count() -> int:
    """GPUs that the CUDA driver sees; 0 when there is no driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
