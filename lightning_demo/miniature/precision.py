"""Which precision trains fastest here: it is measured, since processors differ by a factor of ten.

bfloat16 autocast is 1.3 times as fast as float32 on a CPU with AVX512-BF16 or AMX, and nine times
as slow on one that emulates it.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from functools import cache

import torch
from torch import nn

BATCH, WIDTH, SIDE, REPEATS = 8, 64, 16, 4
HOPELESS = 4  # times as long as float32: not even its first run, which prepares, takes that long


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """What a training step runs in."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_is_faster(device.type))


@cache
def bfloat16_is_faster(device_type: str) -> bool:
    """Whether convolutions, forwards and backwards, take less time in bfloat16 autocast."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported()
    single = min(_seconds(device_type, False) for _ in range(REPEATS))
    for _ in range(REPEATS):
        seconds = _seconds(device_type, True)
        if seconds < single or seconds > HOPELESS * single:
            return seconds < single
    return False


def _seconds(device_type: str, bfloat16: bool) -> float:
    # Seconds of this process: others that want the same cores would decide otherwise.
    clock = time.process_time if device_type == "cpu" else time.perf_counter
    with torch.inference_mode(False), torch.enable_grad():  # whoever asks may want no gradients
        layers = nn.Sequential(*(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(3)))
        layers.to(device_type)
        pictures = torch.zeros(BATCH, WIDTH, SIDE, SIDE, device=device_type)
        started = clock()
        with torch.autocast(device_type, torch.bfloat16, enabled=bfloat16):
            layers(pictures).float().sum().backward()
        return clock() - started
