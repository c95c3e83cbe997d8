"""Where a model goes on this machine: which device, and how it is spread over its free memory."""

from __future__ import annotations

import torch

from ..errors import CheckpointError
from .memory_plan import Profile, choose_profile, small_profile
from .weights.model_spec import ModelSpec


def pick_profile(spec: ModelSpec, device: torch.device) -> Profile:
    """How the spec is spread over the device, by what is free there now."""
    step_counts = len(spec.limits.num_inference_steps)
    if spec.small:
        half = device.type == "cuda"
        return small_profile(torch.float16 if half else torch.float32, step_counts)
    return choose_profile(device.type, free_memory(device), step_counts)


def free_memory(device: torch.device) -> int | None:
    """Bytes free on a device; None where it does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "xpu":
        properties = torch.xpu.get_device_properties(device)
        return properties.total_memory - torch.xpu.memory_reserved(device)
    return None


def pick_device(name: str) -> torch.device:
    """The torch device of that name; "auto" is the first CUDA GPU, else the CPU.

    Raises:
        CheckpointError: torch cannot use that device on this machine.
    """
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
