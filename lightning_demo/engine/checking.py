"""The safety checker that the settings ask for: what loads it, and which pictures it looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..model.safety import SafetyChecker, safety_checker
from ..model.weights.model_spec import ModelSpec
from .base import Engine
from .checked import CheckedEngine
from .local import Loader
from .metrics import Metrics
from .runner import Pixels

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler


class Checking:
    """Of one process, whatever its engines are; where no checker is wanted, nothing."""

    def __init__(self, named: str, spec: ModelSpec, metrics: Metrics) -> None:
        """
        Args:
            named: the setting `safety_checker`.
            spec: the model that is asked for.

        Raises:
            InvalidSetting: it names no checker.
        """
        self._metrics = metrics
        self._checker: SafetyChecker | None = safety_checker(named, spec)

    def load(self) -> None:
        """Has it ready.

        Raises:
            CheckpointError: it cannot be had.
        """
        if self._checker is not None:
            self._checker.load()

    def before(self, load: Loader) -> Loader:
        """A loader that has the checker ready first: without it nothing is painted."""
        if self._checker is None:
            return load

        def both(report: Callable[[float, str], None]) -> Sampler:
            report(0.0, "Loading the safety checker")
            self.load()
            return load(report)

        return both

    def around(self, engine: Engine, spec: ModelSpec) -> Engine:
        """An engine of this process, of a model that may be a stand-in for the one asked for."""
        if self._checker is None or spec.small:
            return engine
        return CheckedEngine(engine, self._checker.flags, self._metrics)

    def around_others(self, engine: Engine) -> Engine:
        """One whose pictures come from other processes, which have looked at theirs, or not.

        The checker, and torch, are only loaded here when one has not.
        """
        if self._checker is None:
            return engine
        return CheckedEngine(engine, self._flags_late, self._metrics, believes=True)

    def _flags_late(self, pixels: Pixels) -> bool:
        """On the thread that looks."""
        assert self._checker is not None  # noqa: S101
        self._checker.load()
        return self._checker.flags(pixels)
