"""The `compile` command: compiles the model beforehand, so that serving starts at full speed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from .engine.build import loader
from .engine.precompile import Size, stamp
from .errors import InvalidSetting
from .model.device import choose_model
from .settings import Settings
from .surroundings import compile_folder

if TYPE_CHECKING:
    from .model.memory_plan import MemoryPlan


def compile_model(
    settings: Settings, sizes: Sequence[Size], plan: str | None, until_stdin_closes: bool
) -> int:
    """Compiles the model that the settings ask for; returns the exit code.

    Args:
        sizes: (width, height), px; the native one when empty.
        plan: `MemoryPlan.as_option` of a server beside which this runs; None: what fits now.
        until_stdin_closes: whether to end when standard input closes, which means that the parent
            process has ended.

    Raises:
        InvalidSetting: nothing is compiled with these settings on this device, or the model does
            not paint one of the sizes.
        LightningError: the model cannot be loaded.
    """
    if until_stdin_closes:
        if hasattr(os, "nice"):  # not on Windows
            os.nice(10)
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    spec = choose_model(settings)
    for width, height in sizes:
        if (width, height) not in spec.sizes:
            known = ", ".join(f"{w}x{h}" for w, h in spec.sizes)
            raise InvalidSetting(f"size: {width}x{height} is not one of {known}.")
    begun = time.perf_counter()
    # Recordings belong to a process; programs stay.
    settings = replace(settings, cuda_graphs=False)

    def planned(here: MemoryPlan) -> MemoryPlan:
        return here if plan is None else here.like(plan)

    sampler = loader(spec, settings, precompile=False, plan=planned)(lambda share, sentence: None)
    if sampler.speed.compile_backend == "openvino":  # its programs hold the weights, for any size
        sizes = ()
        for steps in spec.limits.num_inference_steps:
            sampler.unet(steps)
            sampler.improvement.steps_in_use.add(steps)
    sampler.improvement.sizes_in_use = set(sizes or spec.sizes[:1])
    if not sampler.improvement.tasks_left:
        raise InvalidSetting(
            "compile: nothing is compiled with these settings on this device; a CPU serves eagerly."
        )
    with alone(compile_folder() / f"{spec.name}.lock"):
        while left := sampler.improvement.tasks_left:
            sampler.improve(fetch=False)
            print(f"{time.perf_counter() - begun:6.0f} s  {left - 1} left", flush=True)
    if sampler.improvement.failures:
        print("Not everything could be compiled; the log says what.", file=sys.stderr)
        return 1
    from .model.compile.program_folder import clean_up, program_folder

    folder = program_folder(compile_folder(), spec.name, sampler.speed, sampler.device_name)
    for size in sampler.improvement.sizes_in_use:
        stamp(folder, sampler.plan_option, size).touch()
    clean_up(compile_folder())
    return 0


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Waits for others that compile this model, as several engines of one machine would.

    Whoever comes after them finds their programs. Without a folder to write to, nobody waits.
    """
    lock = FileLock(file)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _end_with_stdin() -> None:
    while os.read(0, 1):  # not `sys.stdin`: its lock would be held when this process ends
        pass
    os._exit(1)
