"""How a model is spread over a device's memory, chosen from how much of it is free.

SDXL in half precision is 5.1 GB of UNet for each step count, 1.6 GB of text encoders and 0.2 GB of
decoder; a 1024 px picture needs about 2.5 GB on top while the full decoder works, or 1 GB in
tiles. Fewer steps need no less memory: every step count's UNet has the same size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from ..errors import InvalidSetting, OutOfMemory
from .device import free_memory
from .weights.model_spec import ModelSpec

GIB = 2**30
UNET_BYTES = int(5.14e9)
TEXT_BYTES = int(1.64e9)
VISIT_BYTES = int(1.39e9)  # of the larger text encoder; they come one after the other
DECODERS_BYTES = int(0.2e9)
STEP_BYTES = int(0.8e9)  # activations and CUDA graphs

Decoder = Literal["full", "tiled", "tiny"]
DECODE_BYTES: dict[Decoder, int] = {"full": int(2.5e9), "tiled": int(1e9), "tiny": int(0.3e9)}
LEAST_BYTES = UNET_BYTES + VISIT_BYTES + DECODERS_BYTES + STEP_BYTES  # free on a GPU
WORK_BYTES = DECODERS_BYTES + STEP_BYTES + DECODE_BYTES["full"]
CONTEXT_BYTES = GIB // 2  # of CUDA, for each process
ANOTHER_BYTES = UNET_BYTES + TEXT_BYTES + WORK_BYTES + CONTEXT_BYTES  # of one that compiles
ANOTHER_HOST_BYTES = int(6e9)  # of the host's memory: torch, text encoders, the compiler


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where the parts of a model live and how its pictures are decoded."""

    name: str
    dtype: torch.dtype
    unets: int  # on the device at once; others are copied over them in place
    text_encoders_stay: bool  # else they are copied to the device for each new prompt
    decoder: Decoder  # of the final picture: whole, in tiles, or the preview's tiny one

    def as_option(self) -> str:
        """What another process needs to know to plan the same."""
        return f"{self.unets},{self.decoder},{'stay' if self.text_encoders_stay else 'visit'}"

    def like(self, option: str) -> MemoryPlan:
        """This plan as the one whose `as_option` is given.

        Raises:
            InvalidSetting: it is not of that form.
        """
        unets, decoder, encoders = (*option.split(","), "", "")[:3]
        if not (unets.isdecimal() and decoder in DECODE_BYTES and encoders in ("stay", "visit")):
            raise InvalidSetting("plan: write UNets,decoder,encoders, as in 4,full,stay.")
        return replace(
            self,
            unets=int(unets),
            decoder=decoder,
            text_encoders_stay=encoders == "stay",
        )

    def describe(self) -> str:
        """One line for people."""
        decoder = {"full": "full decoder", "tiled": "decoder in tiles", "tiny": "tiny decoder"}
        unets = "1 UNet" if self.unets == 1 else f"{self.unets} UNets"
        text = "stay" if self.text_encoders_stay else "visit for each new prompt"
        dtype = str(self.dtype).removeprefix("torch.")
        return (
            f"{self.name}: {dtype}, {unets} on the device, text encoders {text}, "
            f"{decoder[self.decoder]}"
        )


def plan_memory(spec: ModelSpec, device: torch.device) -> MemoryPlan:
    """How a model is spread over a device, by what is free there now."""
    step_counts = len(spec.limits.num_inference_steps)
    if spec.small:
        half = device.type == "cuda"
        return small_plan(torch.float16 if half else torch.float32, step_counts)
    return full_size_plan(device.type, free_memory(device), step_counts)


def full_size_plan(kind: str, free_bytes: int | None, step_counts: int) -> MemoryPlan:
    """The plan for a full-size SDXL.

    Args:
        kind: a torch device type: "cuda", "mps", "xpu" or "cpu".
        free_bytes: free memory of the device; None where the device does not report it.
        step_counts: how many UNets there are.

    Raises:
        OutOfMemory: too little is free for any plan.
    """
    if kind == "cpu":
        return MemoryPlan("CPU", torch.float32, 1, True, "full")
    if kind == "mps":
        # The memory is shared with the CPU. bfloat16, with float32's range, is safe for the matrix
        # products of CLIP and UNet there.
        return MemoryPlan("Apple GPU", torch.bfloat16, 1, True, "tiled")
    dtype = torch.bfloat16 if kind == "xpu" else torch.float16
    if free_bytes is None:
        return MemoryPlan(f"{kind}, memory not known", dtype, 1, False, "tiled")
    free = free_bytes / GIB
    if free_bytes < LEAST_BYTES:
        raise OutOfMemory(
            f"The GPU has {free:.1f} GiB free and SDXL-Lightning takes {LEAST_BYTES / GIB:.1f}: "
            "end other programs that use it (another demo is one), or take --model miniature."
        )
    if free >= 22:  # a 24 GB card, less what the desktop takes
        unets = int((free_bytes - TEXT_BYTES - WORK_BYTES) // UNET_BYTES)
        return MemoryPlan("24 GB and more", dtype, min(step_counts, unets), True, "full")
    if free >= 13:
        return MemoryPlan("16 GB", dtype, 1, True, "full")
    if free >= 10:
        return MemoryPlan("12 GB", dtype, 1, True, "tiled")
    if free >= 9:
        return MemoryPlan("10 GB", dtype, 1, False, "tiled")
    return MemoryPlan("8 GB", dtype, 1, False, "tiny")


def room_for_another(plan: MemoryPlan, resident: int, free_bytes: int) -> bool:
    """Whether a process that compiles has room beside all that this one will take.

    Args:
        resident: how many UNets are on the device already.
        free_bytes: of the device, now.
    """
    to_come = (plan.unets - resident) * UNET_BYTES + WORK_BYTES
    return free_bytes > to_come + ANOTHER_BYTES


def small_plan(dtype: torch.dtype, step_counts: int) -> MemoryPlan:
    """The plan for a model so small that all of it fits anywhere."""
    return MemoryPlan("everything stays", dtype, step_counts, True, "full")
