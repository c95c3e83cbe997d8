"""What `bench many` found, for people: a table for each number of users, and curves over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .curves import Curve
from .report import table

Result = Mapping[str, Any]


def table_of(sides: Mapping[str, Result]) -> str:
    """One column for each server."""
    rows = [
        [label, *(_shown(side[key], form) for side in sides.values())]
        for label, key, form in (
            ("last key to final, ms p50/p95/max", "last_key_to_final_ms", ".0f"),
            ("first paint, ms p50/p95", "first_paint_ms", ".0f"),
            ("pictures a second", "pictures_per_second", ".1f"),
            ("finished pictures a second", "finals_per_second", ".1f"),
            ("steps", "steps", "d"),
            ("wasted steps", "wasted_steps", "d"),
            ("fairness (Jain)", "fairness", ".3f"),
            ("waits", "waits", "d"),
            ("typed on before it came", "superseded_waits", "d"),
            ("lost finals", "lost_finals", "d"),
            ("memory growth, MiB", "memory_growth_mib", ".1f"),
            ("CPU of this process, cores", "client_cpu_share", ".2f"),
            ("keys late by, ms p95", "typing_lag_p95_ms", ".1f"),
        )
    ]
    users = next(iter(sides.values()))["users"]
    lines = [table([f"{users} users", *sides], rows)]
    for name, side in sides.items():
        lines += [f"{name} said: {problem}" for problem in side.get("problems", ())]
    return "\n".join(lines)


def curves(runs: Sequence[Result], ours: str) -> list[Curve]:
    """The 95th percentile from last key to final over users, for each server."""
    sides: list[tuple[str, list[Result]]] = [(ours, list(runs))]
    sides += [(name, [run["peers"][name] for run in runs]) for name in runs[0]["peers"]]
    return [
        Curve(
            name,
            tuple((run["users"], run["last_key_to_final_ms"]["p95"]) for run in found),
            peer=name != ours,
        )
        for name, found in sides
    ]


def _shown(value: Any, form: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return " / ".join(format(each, form) for each in value.values())
    return format(value, form)
