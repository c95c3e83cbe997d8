"""What `bench gpu-check` checks; each check returns what it measured or raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import memory, pictures, speed
from .setting import Setting


@dataclass(frozen=True)
class Check:
    """A check and the most seconds that it may take."""

    run: Callable[[Setting], dict[str, Any]]
    seconds: float


# What is quick comes first, so that little is lost when the time runs out.
CHECKS = {
    "machine": Check(pictures.machine, 60),
    "gpu tests": Check(pictures.gpu_tests, 120),
    "tiers": Check(pictures.tiers, 90),
    "half precision": Check(pictures.half_precision, 45),
    "out of memory": Check(memory.out_of_memory, 60),
    "switching": Check(memory.switch, 60),
    "calibration": Check(speed.calibration, 90),
    "profiles": Check(memory.profiles, 90),
    "model": Check(speed.model, 3600),
    "compiler cache": Check(speed.compiler_cache, 3600),
}
