"""How the checks of `bench gpu-check` run, and the two ways in which one ends without a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ...model.compile.speed import Speed
from ...schemas import STEP_COUNTS
from ...settings import Settings
from ..bench_model import Weights
from ..random_sdxl import FULL, TINY


class CheckSkipped(Exception):
    """There is nothing to check here, and why."""


class CheckFailed(Exception):
    """Something is not as it must be."""


class CheckContext:
    """How the checks run."""

    def __init__(
        self, out: Path, cache: Path, deadline: float, *, small: bool, inductor: bool
    ) -> None:
        """
        Args:
            cache: of what is compiled.
            deadline: of time.monotonic().
            inductor: else compiled by a backend that takes seconds and gains nothing.
        """
        self.out, self.cache, self.deadline, self.small = out, cache, deadline, small
        self.device = torch.device("cpu" if small else "cuda")
        self.weights: Weights = "tiny" if small else "full"
        self.shape = TINY if small else FULL
        self.steps = STEP_COUNTS[:2] if small else STEP_COUNTS
        self.usual_steps = 1 if small else 4
        self.backend = "inductor" if inductor else "eager"

    def speed(self, *, compiled: bool) -> Speed:
        """What serving would use here, compiled or not: recording takes seconds."""
        speed = Speed.of(Settings.from_environment(), self.device.type, small=self.small)
        return replace(speed, compile=compiled, compile_backend=self.backend)
