"""Checks of what is painted: the same pictures in every form, and no black ones."""

from __future__ import annotations

import copy
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...model.memory_plan import GIB
from ...model.sampling.decode import decode
from ...model.sampling.sampler import Sampler
from ..bench_model import compiling_sampler, difference, load_bench_model, picture
from ..random_sdxl import random_components, unets_of
from ..timing import problems
from .context import CheckContext, CheckFailed, CheckSkipped

ASKED = ("driver_version", "clocks.sm", "clocks.max.sm", "power.limit", "memory.used")
ROOT = Path(__file__).resolve().parents[3]


def machine(context: CheckContext) -> dict[str, Any]:
    """What the checks run on."""
    found: dict[str, Any] = {"torch": torch.__version__, "cuda": torch.version.cuda}
    if context.small:
        return found
    if tool := shutil.which("nvidia-smi"):
        asked = subprocess.run(  # noqa: S603
            [tool, f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=False,
        )
        found |= dict(zip(ASKED, asked.stdout.split("\n")[0].split(", "), strict=False))
    free, total = torch.cuda.mem_get_info()
    return {
        **found,
        "cudnn": torch.backends.cudnn.version(),
        "gpu": torch.cuda.get_device_name(),
        "capability": torch.cuda.get_device_capability(),
        "free_gib": round(free / GIB, 1),
        "total_gib": round(total / GIB, 1),
    }


def gpu_tests(context: CheckContext) -> dict[str, Any]:
    """The tests with the marker `gpu`."""
    if context.small:
        raise CheckSkipped("these tests need a CUDA GPU")
    folder = ROOT / "tests" / "gpu"
    if not folder.is_dir() or importlib.util.find_spec("pytest") is None:
        raise CheckSkipped("the tests, or pytest, are not here")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    one = {"PYTEST_XDIST_AUTO_NUM_WORKERS": "0"}  # process, as there is one GPU
    done = subprocess.run(  # noqa: S603
        [*command, str(folder)],
        cwd=ROOT,
        env={**os.environ, **one},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    if done.returncode:
        raise CheckFailed(done.stdout[-1500:] + done.stderr[-500:])
    counts = {
        word: int(count) for count, word in re.findall(r"(\d+) (passed|skipped)", done.stdout)
    }
    if not counts.get("passed"):
        raise CheckSkipped(f"{counts.get('skipped', 0)} tests, all for a CUDA GPU")
    return counts


def tiers(context: CheckContext) -> dict[str, Any]:
    """What was learned paints as before, in every step count, with one UNet overwritten in place.

    CUDA graphs on a GPU; elsewhere whole graphs of the compiler.
    """
    made = load_bench_model(context.weights, context.device.type)
    parts = replace(made.components, unets=unets_of(made.source, 1, context.steps))
    made = replace(made, components=parts)
    speed = context.speed(compiled=context.small)
    plain, asked = Sampler(parts, replace(speed, cuda_graphs=False, compile=False)), {}
    for steps in context.steps:
        request = made.request(steps)
        asked[steps] = (request, picture(plain, request).astype(int))
    with problems() as found:
        sampler = compiling_sampler(parts, speed)
        while not sampler.improvement.has_done("compiled" if speed.compile else "recorded"):
            sampler.improve()
        again = (*context.steps, *context.steps[:2])
        differences = {str(steps): difference(sampler, *asked[steps]) for steps in again}
    if found or max(differences.values()) > 2:
        raise CheckFailed(f"pixels differ by {differences}; {found}")
    return {"tier": sampler.tier, "max_pixel_difference": differences}


def half_precision(context: CheckContext) -> dict[str, Any]:
    """Decoders in half precision: finite as they are, and what overflows is decoded again."""
    made = random_components(context.shape, context.device)
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator("cpu").manual_seed(0))
    latents = latents.to(context.device)
    with problems() as found:
        for vae in (made.vae, made.preview_vae):
            decode(copy.deepcopy(vae).half(), latents * vae.config.scaling_factor)
    if found:
        raise CheckFailed(f"a decoder that should not overflow: {found}")
    broken = copy.deepcopy(made.preview_vae)
    for parameter in broken.decoder.layers[0].parameters():
        parameter.mul_(3e4 / parameter.abs().max())
    broken.decoder.layers[-1].weight.mul_(1e-6)
    half = broken.half()
    wanted = decode(copy.deepcopy(half).float(), 3 * latents)
    with problems() as found:
        again = decode(half, 3 * latents)
    if not any("overflowed" in text for text in found):
        raise CheckFailed("a decoder that must overflow in half precision did not")
    difference = again[0].astype(int) - wanted[0]
    return {"max_pixel_difference": int(np.abs(difference).max())}
