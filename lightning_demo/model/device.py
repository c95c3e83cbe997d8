"""This machine's devices, and which model suits them.

Importing this file does not import torch, which takes seconds: the page and `doctor` must not wait.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError, InvalidSetting
from ..settings import Settings, on_zerogpu
from .weights.checkpoints import MODELS, sdxl_lightning
from .weights.model_spec import ModelSpec

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


def choose_model(settings: Settings) -> ModelSpec:
    """The model that the settings ask for: "auto" takes the real one where there is a GPU.

    On ZeroGPU each picture gets a GPU, though this process sees none.

    Raises:
        InvalidSetting: the variant or base does not exist, or is set for the miniature.
    """
    model = settings.model
    if model == "auto":
        wants_gpu = settings.device == "auto" or settings.device.startswith("cuda")
        model = "sdxl-lightning" if wants_gpu and (on_zerogpu() or has_cuda()) else "miniature"
    if model == "sdxl-lightning":
        return sdxl_lightning(settings.variant, settings.base)
    if settings.base or settings.variant != "auto":
        if settings.model == "miniature":
            raise InvalidSetting(
                "variant, base (LIGHTNING_VARIANT, LIGHTNING_BASE): the miniature has neither; "
                "take --model sdxl-lightning."
            )
        log.warning("no CUDA GPU here: the miniature paints, without the variant and base given")
    return MODELS[model]


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


def pick_device(name: str) -> torch.device:
    """The torch device of that name; "auto" is the first CUDA GPU, else the CPU.

    Raises:
        CheckpointError: torch cannot use that device on this machine.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(
            f"The device {name!r} cannot be used here ({str(error).splitlines()[0]}); "
            "`python -m lightning_demo doctor` shows what can."
        ) from error
    return device


def free_memory(device: torch.device) -> int | None:
    """Bytes free on a device; None where it does not report them."""
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "xpu":
        properties = torch.xpu.get_device_properties(device)
        return properties.total_memory - torch.xpu.memory_reserved(device)
    return None
