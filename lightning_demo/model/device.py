"""This machine's devices, and which model suits them.

Importing this file does not import torch, which takes seconds: the page and `doctor` must not wait.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import logging
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError, InvalidSetting, is_out_of_memory
from ..settings import Settings
from ..styles import read_styles
from ..surroundings import on_zerogpu
from .weights.checkpoints import MODELS, sdxl_lightning
from .weights.model_spec import ModelSpec

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

NOT_STARTED = {  # what cuInit gives, and what to do; 100 is that there is no GPU
    802: "start its fabric manager (systemctl start nvidia-fabricmanager)",
    803: "restart the machine, as after every update of the driver",
    999: "`nvidia-smi` may say why, and a restart of the machine often helps",
}


def choose_model(settings: Settings) -> ModelSpec:
    """The model that the settings ask for: "auto" takes the real one where there is a GPU.

    On ZeroGPU each picture gets a GPU, though this process sees none.

    Raises:
        InvalidSetting: the variant or base does not exist, or is set for the miniature; or the file
            of styles cannot be read.
    """
    spec = _chosen(settings)
    if not settings.styles:
        return spec
    spec = replace(spec, styles=Path(settings.styles))
    read_styles(spec.styles)
    return spec


def _chosen(settings: Settings) -> ModelSpec:
    model = settings.model
    if model == "auto":
        wants_gpu = settings.device == "auto" or settings.device.startswith("cuda")
        here = on_zerogpu() or has_cuda()
        model = "sdxl-lightning" if wants_gpu and here else "miniature"
        problem = cuda_problem() or ("there is no CUDA GPU." if settings.device != "auto" else "")
        if wants_gpu and not here and problem:
            log.warning("the miniature paints on the CPU: %s", problem)
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
    """Whether there is a CUDA GPU and the installed torch can use it."""
    return torch_cuda_version() is not None and cuda_device_count() > 0 and not cuda_problem()


def cuda_problem() -> str:
    """Why the installed torch cannot use a CUDA GPU that is here, and what to do; else empty."""
    if not cuda_device_count():
        _, code = _driver()
        advice = NOT_STARTED.get(code)
        return f"the GPU's driver does not start (error {code}); {advice}." if advice else ""
    built, driver = torch_cuda_version(), cuda_driver_version()
    if built is None:
        return "this torch cannot use the GPU; install the CUDA build from pytorch.org."
    # A driver serves every program of its own major version and of older ones.
    if driver is not None and driver[0] < int(built.partition(".")[0]):
        return (
            f"the GPU's driver is for CUDA {driver[0]}.{driver[1]}, and this torch is built for "
            f"CUDA {built}; update the driver, or install torch for CUDA {driver[0]} from "
            "pytorch.org."
        )
    return ""


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
    return _ask_driver("cuDeviceGetCount") or 0


def cuda_driver_version() -> tuple[int, int] | None:
    """The newest CUDA that the driver can serve; None when there is no driver."""
    version = _ask_driver("cuDriverGetVersion")
    return None if version is None else (version // 1000, version % 1000 // 10)


def _ask_driver(function: str) -> int | None:
    """The number that a function of CUDA's driver gives; None when there is no driver."""
    driver, code = _driver()
    number = ctypes.c_int(0)
    if driver is None or code != 0 or getattr(driver, function)(ctypes.byref(number)) != 0:
        return None
    return number.value


def _driver() -> tuple[ctypes.CDLL | None, int]:
    """CUDA's driver, if there is one, and the number with which it has started: 0 if it has."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None, 0
    return driver, driver.cuInit(0)


def pick_device(name: str) -> torch.device:
    """The torch device of that name, from now on this thread's own; "auto": a CUDA GPU or the CPU.

    Raises:
        CheckpointError: torch cannot use that device on this machine.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
        if device.type == "cuda" and device.index is not None:
            # Streams, recordings and page-locked memory belong to a thread's current device.
            torch.cuda.set_device(device)
    except (RuntimeError, AssertionError) as error:
        taken = is_out_of_memory(error) or "busy" in str(error)
        advice = "end the other program that uses it" if taken else f"take {_usable()}"
        raise CheckpointError(
            f"The device {name!r} cannot be used here ({str(error).splitlines()[0]}): {advice}."
        ) from error
    return device


def _usable() -> str:
    """The devices that torch can use on this machine: "cpu or cuda:0 or cuda:1"."""
    import torch

    kind = torch.accelerator.current_accelerator(check_available=True)
    count = 0 if kind is None else torch.accelerator.device_count()
    return " or ".join(["cpu", *(f"{kind}:{number}" for number in range(count))])


def synchronize(device: torch.device) -> None:
    """Waits until a device has computed everything that this thread has asked for so far.

    On a CUDA GPU no longer: copies of weights on other streams go on.
    """
    import torch

    if device.type == "cuda":
        event = torch.cuda.Event(blocking=True)  # sleeps instead of spinning, for hundreds of us
        event.record(torch.cuda.current_stream(device))
        event.synchronize()
    elif device.type != "cpu":
        torch.accelerator.synchronize(device)


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A small tensor of the CPU on a device, which is not waited for."""
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # no page-locked memory, or no GPU yet (ZeroGPU)
            tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def responds(device: torch.device) -> bool:
    """Whether a device still computes: after some errors of CUDA it never does again.

    One whose memory is full says so, which is an answer.
    """
    import torch

    try:
        return bool(torch.ones(1, device=device).add(1).item() == 2)
    except RuntimeError as error:
        return is_out_of_memory(error)


def give_back_memory(device: torch.device) -> None:
    """Gives back what torch keeps of a device's memory without using it."""
    import torch

    if device.type in ("cuda", "mps", "xpu"):
        getattr(torch, device.type).empty_cache()


def free_memory(device: torch.device) -> int | None:
    """Bytes free on a device now, beside all programs that use it; None where that is not told."""
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "xpu":
        with contextlib.suppress(RuntimeError):  # some drivers tell only how much there is in all
            return torch.xpu.mem_get_info(device)[0]
        properties = torch.xpu.get_device_properties(device)
        return properties.total_memory - torch.xpu.memory_reserved(device)
    return None
