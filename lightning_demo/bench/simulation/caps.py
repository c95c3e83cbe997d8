"""How many rows should share a UNet call: the engine's rule beside every fixed number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...engine.latency_model import Kind, LatencyModel, Size
from ...schemas import ROW_BUCKETS
from ...settings import Settings
from ..score import score
from .crowd import simulate, typists
from .device_model import DeviceModel, linear

VISITS = 3  # each scenario is typed by so many times its users, one crowd after another


class Capped(LatencyModel):
    """The seconds of another with a fixed number of rows a step."""

    def __init__(self, like: LatencyModel, cap: int) -> None:
        super().__init__()
        self._cap = cap
        for call in like:
            self.calibrate(*call)

    def cap(self, kind: Kind, size: Size) -> int:
        """See `LatencyModel.cap`."""
        return self._cap if kind == "step" else super().cap(kind, size)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Users on one GPU."""

    model: DeviceModel
    users: int
    steps: tuple[int, ...] = (4,)


def _large(first: float, further: float) -> DeviceModel:
    return linear(f"1024 px, {first:g}+{further:g} ms", 1024, (first, further), 35, 3)


def _small(first: float, further: float) -> DeviceModel:
    return linear(f"512 px, {first:g}+{further:g} ms", 512, (first, further), 9, 1)


SCENARIOS = (
    Scenario(_large(24, 24), 8),
    Scenario(_large(24, 15), 8),
    Scenario(_large(24, 15), 16),
    Scenario(_large(22, 11), 8),
    Scenario(_large(22, 11), 16),
    Scenario(_large(22, 11), 64),
    Scenario(_large(22, 11), 8, (1, 2, 4, 8)),
    Scenario(_small(10, 3), 8),
    Scenario(_small(10, 3), 24),
    Scenario(_small(10, 3), 64),
)


def compare_caps(
    seconds: float, settings: Settings, scenarios: Sequence[Scenario] = SCENARIOS
) -> list[dict[str, Any]]:
    """What users wait for in each scenario with at most 1, 2, 4 and 8 rows, and by the rule.

    Returns:
        Of each: `scenario`, `users`, `steps`, `by_rule` (the rows that the rule allows), and
        `rows`: by number of rows the figures of `score`.
    """
    found = []
    for each in scenarios:
        caps = {}
        for cap in ROW_BUCKETS:
            model = replace(each.model, latency_model=Capped(each.model.latency_model, cap))
            crowds = [
                simulate(model, typists(each.users, seconds, visit), 1, each.steps, settings)
                for visit in range(VISITS)
            ]
            caps[str(cap)] = score([crowd.round for crowd in crowds])
        found.append(
            {
                "scenario": each.model.name,
                "users": each.users,
                "steps": list(each.steps),
                "by_rule": each.model.latency_model.cap("step", each.model.size),
                "rows": caps,
            }
        )
    return found
