"""How the checks of `bench gpu-check` run, and the two ways in which one ends without a result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...model.speed import Speed
from ...settings import Settings
from ..bench_model import Weights
from ..report import STEP_COUNTS


class Skip(Exception):
    """There is nothing to check here, and why."""


class Wrong(Exception):
    """Something is not as it must be."""


@dataclass(frozen=True)
class Setting:
    """How the checks run."""

    small: bool
    out: Path
    cache: Path  # of what is compiled
    inductor: bool  # else compiled by a backend that takes seconds and gains nothing
    deadline: float  # of time.monotonic()

    @property
    def device(self) -> torch.device:
        """Where."""
        return torch.device("cpu" if self.small else "cuda")

    @property
    def trained(self) -> Weights:
        """Weights for what is compiled: a thin SDXL has as much to trace as the real one."""
        return "miniature" if self.small else "full"

    @property
    def random(self) -> Weights:
        """Weights for what depends on SDXL's shape."""
        return "thin" if self.small else "full"

    @property
    def steps(self) -> tuple[int, ...]:
        """Step counts that are painted."""
        return STEP_COUNTS[:2] if self.small else STEP_COUNTS

    @property
    def backend(self) -> str:
        """The compiler."""
        return "inductor" if self.inductor else "eager"

    def speed(self, *, compiled: bool) -> Speed:
        """What serving would use here, compiled or not: recording takes seconds."""
        speed = Speed.of(Settings.from_environment(), self.device.type)
        return replace(speed, compile=compiled, backend=self.backend)
