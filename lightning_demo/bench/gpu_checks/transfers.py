"""Checks of what is read from the disk and copied to the device, and of what a first use costs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ...errors import CheckpointError
from ...images import JPEG_QUALITY, encode_jpeg
from ...model.hub.files import find
from ...model.sampling.sampler import Sampler
from ...model.weights.checkpoints import SDXL_LIGHTNING
from ...model.weights.page_locked import page_lock
from ..bench_model import BenchModel, load_bench_model, picture
from ..random_sdxl import RandomWeights, random_components
from ..timing import Clock
from .context import CheckContext, CheckSkipped

BLOCK_BYTES = 2**30
TENSOR_BYTES = 2**21  # about the mean of a UNet's tensors
ROUNDS = 5


def transfers(context: CheckContext) -> dict[str, Any]:
    """GB a second to the device from ordinary and page-locked memory, and seconds to lock a GB."""
    size = 2**22 if context.small else BLOCK_BYTES
    clock, weights = Clock(context.device), torch.ones(size, dtype=torch.uint8)
    found = {"pageable_gb_s": _rate(weights, clock)}
    if context.device.type == "cuda":
        begun = time.perf_counter()
        locked = page_lock({"weights": weights}, context.device)
        if locked is not None:
            seconds = time.perf_counter() - begun
            found["lock_seconds_per_gb"] = round(seconds / (size / 1e9), 2)
            found["page_locked_gb_s"] = _rate(locked["weights"], clock)
    return found


def disk(context: CheckContext) -> dict[str, Any]:
    """GB a second from a weight file to the device, as a start reads it: cold, and once more.

    Cold, the system has been told to forget what it remembers of the file; not everywhere it does.
    """
    with _weight_file(context) as (path, weights):
        found: dict[str, Any] = {"weights": weights, "gb": round(path.stat().st_size / 1e9, 2)}
        if hasattr(os, "posix_fadvise"):
            _forget(path)
            found["cold_gb_s"] = _read_rate(path, context.device)
        found["again_gb_s"] = _read_rate(path, context.device)
    return found


def visiting_encoders(context: CheckContext) -> dict[str, float]:
    """Milliseconds to encode a new prompt, with encoders that stay and with some that visit."""
    shape, clock, found = context.shape, Clock(context.device), {}
    made = load_bench_model(context.weights, context.device.type)
    for name, stay in (("stay_ms", True), ("visit_ms", False)):
        plan = replace(made.components.memory_plan, text_encoders_stay=stay, unets=1)
        source = RandomWeights(shape, context.device, plan.dtype)
        sampler = Sampler(random_components(shape, context.device, plan, source))
        found[name] = round(clock.median(partial(_encode, sampler, made), ROUNDS), 2)
    return found


def jpeg(context: CheckContext) -> dict[str, Any]:
    """Milliseconds from pixels on the device to a JPEG, by Pillow here and by nvJPEG there.

    nvJPEG comes with torchvision, which is not among the requirements; whether it should be is for
    these figures to say.
    """
    try:
        from torchvision.io import encode_jpeg as encode_there
    except ImportError:
        raise CheckSkipped("torchvision is not installed") from None
    made, clock = load_bench_model(context.weights, context.device.type), Clock(context.device)
    pixels = picture(Sampler(made.components), made.request(4))
    there = torch.from_numpy(pixels).to(context.device)
    channels = there.permute(2, 0, 1).contiguous()
    ways = {
        "pillow": lambda: encode_jpeg(there.cpu().numpy()),
        "there": lambda: encode_there(channels, quality=JPEG_QUALITY).cpu().numpy().tobytes(),
    }
    return {
        name: {"ms": round(clock.median(way, ROUNDS), 2), "bytes": len(way())}
        for name, way in ways.items()
    }


def first_use(context: CheckContext) -> dict[str, float]:
    """Milliseconds of the first picture of another step count, and of another such.

    Calls at the native size are recorded for every UNet that is there.
    """
    made = load_bench_model(context.weights, context.device.type)
    sampler, clock = Sampler(made.components, context.speed(compiled=False)), Clock(context.device)
    sampler.warm_up()
    found: dict[str, float] = {}
    for steps in context.steps:
        first, second = (clock.ms(partial(_paint, sampler, made, steps)) for _ in range(2))
        found |= {f"{steps}_first_ms": round(first, 1), f"{steps}_again_ms": round(second, 1)}
    return found


def _encode(sampler: Sampler, made: BenchModel) -> None:
    sampler.prepare([made.request(4)])


def _paint(sampler: Sampler, made: BenchModel, steps: int) -> object:
    return picture(sampler, made.request(steps))


def _rate(weights: torch.Tensor, clock: Clock) -> float:
    there = torch.empty_like(weights, device=clock.device)
    ms = clock.median(lambda: there.copy_(weights, non_blocking=True), ROUNDS)
    return round(weights.nbytes / 1e6 / ms, 1)


@contextmanager
def _weight_file(context: CheckContext) -> Iterator[tuple[Path, str]]:
    """A UNet's file where it is kept, or a random one, which goes away again."""
    if (real := None if context.small else _real_file()) is not None:
        yield real, "real"
        return
    path = context.out / "weights.safetensors"
    count = (2**22 if context.small else BLOCK_BYTES) // TENSOR_BYTES
    size = (count, TENSOR_BYTES)
    noise = torch.randint(256, size, dtype=torch.uint8, device=context.device).cpu()
    try:
        save_file({f"{n}.weight": tensor for n, tensor in enumerate(noise.unbind())}, path)
        yield path, "random"
    finally:
        path.unlink(missing_ok=True)


def _real_file() -> Path | None:
    try:
        return find(SDXL_LIGHTNING.lightning, SDXL_LIGHTNING.checkpoint(4).file, download=False)
    except CheckpointError:  # not here
        return None


def _forget(path: Path) -> None:
    """Tells the system that nobody needs the file in its memory any more."""
    with path.open("rb") as file:
        os.fsync(file.fileno())  # what is not on the disk yet stays
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_rate(path: Path, device: torch.device) -> float:
    def read() -> None:
        for tensor in load_file(path).values():
            torch.empty_like(tensor, device=device).copy_(tensor)

    return round(path.stat().st_size / 1e6 / Clock(device).ms(read), 2)
