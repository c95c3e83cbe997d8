"""The `compile` command: fills the compiler's cache, so that serving starts at full speed."""

from __future__ import annotations

import os
import sys
import threading
import time

from .engine.build import loader
from .engine.precompile import stamp
from .errors import InvalidSetting
from .model.device import choose_model
from .settings import Settings, compile_folder


def compile_model(settings: Settings, until_stdin_closes: bool) -> int:
    """Compiles the model that the settings ask for; returns the exit code.

    Args:
        until_stdin_closes: whether to end when standard input closes, which means that the parent
            process has ended.

    Raises:
        InvalidSetting: nothing is compiled with these settings on this device.
        LightningError: the model cannot be loaded.
    """
    if until_stdin_closes:
        os.nice(10)
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    spec = choose_model(settings)
    begun = time.perf_counter()
    sampler = loader(spec, settings, precompile=False)(lambda fraction, sentence: None)
    if not sampler.compile_tasks_left:
        raise InvalidSetting(
            "compile: nothing is compiled with these settings on this device; a CPU serves eagerly."
        )
    sampler.warm_up()
    while sampler.compile_tasks_left:
        sampler.improve()
        print(f"{time.perf_counter() - begun:6.0f} s  {sampler.tier}", flush=True)
    if sampler.compile_failures:
        print("Not everything could be compiled; the log says what.", file=sys.stderr)
        return 1
    done = stamp(compile_folder(), spec, settings, sampler.device_name)
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()
    return 0


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
