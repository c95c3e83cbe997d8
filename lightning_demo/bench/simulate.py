"""`bench simulate`: how long typists wait with more people and more GPUs than are here."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidSetting
from ..settings import Settings
from .plots import Curve, draw_curves
from .report import STEP_COUNTS, add_files, add_threads, environment, table, whole
from .simulation.caps import compare_caps
from .simulation.crowd import figures, simulate, typists
from .simulation.device_model import DeviceModel, device_model, miniature


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench simulate`."""
    parser.add_argument(
        "--users",
        type=whole(1, 10_000),
        nargs="+",
        default=(1, 16, 64, 256, 1000),
        metavar="N",
        help="people typing at the same time, 1 to 10000 (default: 1 16 64 256 1000)",
    )
    parser.add_argument(
        "--gpus",
        type=whole(1, 1024),
        nargs="+",
        default=(1, 4, 16, 64),
        metavar="N",
        help="GPUs that share them, 1 to 1024 (default: 1 4 16 64)",
    )
    parser.add_argument(
        "--costs",
        default="h200-1024",
        metavar="MODEL",
        help="what calls take: h200-1024, h200-512 (published figures and targets), miniature "
        "(measured here), or a JSON file (default: h200-1024)",
    )
    parser.add_argument(
        "--seconds", type=whole(1, 3600), default=60, help="of typing, 1 to 3600 (default: 60)"
    )
    parser.add_argument(
        "--num-inference-steps",
        type=int,
        nargs="+",
        choices=STEP_COUNTS,
        default=(4,),
        help="several: users take them in turn (default: 4)",
    )
    parser.add_argument(
        "--latency-budget",
        type=whole(0, 60_000),
        default=0,
        metavar="MS",
        help="of each session, 0 to 60000; 0: no drafts while typing (default: 0)",
    )
    add_threads(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--caps",
        action="store_true",
        help="compare how many rows may share a call, in scenarios of their own on one GPU",
    )
    kind.add_argument(
        "--check",
        action="store_true",
        help="type at the real miniature in this process, and at its simulation",
    )
    add_files(parser, "waiting over users")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs what the options ask for and prints it; returns the JSON document."""
    if args.plot and (args.caps or args.check):
        raise InvalidSetting("plot: there are no curves to draw of --caps and --check.")
    plan = Plan(
        users=tuple(sorted(set(args.users))),
        gpus=tuple(sorted(set(args.gpus))),
        costs=args.costs,
        seconds=args.seconds,
        num_inference_steps=tuple(args.num_inference_steps),
        latency_budget=args.latency_budget,
        threads=args.threads,
    )
    return (bench_caps if args.caps else bench_check if args.check else bench_simulate)(plan)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate; the command line has checked it."""

    users: tuple[int, ...]
    gpus: tuple[int, ...]
    costs: str = "h200-1024"
    seconds: float = 60.0
    num_inference_steps: tuple[int, ...] = (4,)
    latency_budget: float = 0.0  # ms; 0: no drafts
    threads: int = 2

    @property
    def settings(self) -> Settings:
        """Of the live sessions."""
        return Settings(latency_budget=self.latency_budget)


def bench_simulate(plan: Plan) -> dict[str, Any]:
    """Simulates every number of users on every number of GPUs and prints the table.

    Raises:
        InvalidSetting: there are no such costs.
    """
    model = device_model(plan.costs, plan.threads)
    begun = time.perf_counter()
    crowds = [(gpus, users) for gpus in plan.gpus for users in plan.users]
    workers = min(os.cpu_count() or 1, len(crowds))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        # The largest first, so that no process ends long after the others.
        running = {
            (gpus, users): pool.submit(_simulated, plan, model, gpus, users)
            for gpus, users in sorted(crowds, key=lambda crowd: -crowd[1])
        }
        runs = [running[crowd].result() for crowd in crowds]
    print(_table(runs))
    print(f"simulated in {time.perf_counter() - begun:.1f} s")
    return {
        "benchmark": "simulate",
        "runs": runs,
        "costs": model.as_dict(),
        "step_cap": model.latency_model.cap("step", model.size),
        **_settings(plan),
        **environment(),
    }


def _simulated(plan: Plan, model: DeviceModel, gpus: int, users: int) -> dict[str, Any]:
    """One crowd, in a process of its own."""
    typing = typists(users, plan.seconds)
    return figures(simulate(model, typing, gpus, plan.num_inference_steps, plan.settings))


def bench_caps(plan: Plan) -> dict[str, Any]:
    """Compares numbers of rows a step, and prints p50 / p95 from last key to final of each."""
    found = compare_caps(plan.seconds, plan.settings)
    rows = []
    for each in found:
        cells = []
        for cap, felt in each["rows"].items():
            waits = felt["last_key_to_final_ms"]
            mark = "*" if int(cap) == each["by_rule"] else " "
            cells.append(f"{waits['p50']:.0f} / {waits['p95']:.0f}{mark}")
        steps = "/".join(map(str, each["steps"]))
        rows.append([f"{each['scenario']}, {each['users']} users, {steps} steps", *cells])
    print(table(["last key to final, ms (* the rule)", "1 row", "2", "4", "8"], rows))
    return {"benchmark": "simulate caps", "scenarios": found, **_settings(plan), **environment()}


def bench_check(plan: Plan) -> dict[str, Any]:
    """Types at the real miniature beside its simulation, and prints both."""
    import torch

    from .simulation.check import check

    torch.set_num_threads(plan.threads)
    sampler = miniature()
    runs = [
        check(sampler, users, plan.seconds, plan.num_inference_steps, plan.settings)
        for users in plan.users
    ]
    rows = [
        [
            f"{run['users']} users, {name}, ms",
            *(f"{side[key]['p50']:.0f} / {side[key]['p95']:.0f}" for side in sides),
            f"{run['ratio'].get(f'{key}_p50', 0):.2f} / {run['ratio'].get(f'{key}_p95', 0):.2f}",
        ]
        for run in runs
        for sides in [(run["simulated"], run["measured"])]
        for name, key in (
            ("last key to final", "last_key_to_final_ms"),
            ("first paint", "first_paint_ms"),
        )
    ]
    print(table(["p50 / p95", "simulated", "measured", "ratio"], rows))
    return {"benchmark": "simulate check", "runs": runs, **_settings(plan), **environment()}


def plot(path: Path, result: dict[str, Any]) -> None:
    """Draws how long users wait, over their number; the file's ending says how."""
    runs = result["runs"]
    lines = [
        Curve(
            f"{gpus} GPU{'s' if gpus > 1 else ''}",
            tuple(
                (run["users"], run["last_key_to_final_ms"]["p95"])
                for run in runs
                if run["gpus"] == gpus
            ),
            peer=number > 0,
        )
        for number, gpus in enumerate(dict.fromkeys(run["gpus"] for run in runs))
    ]
    steps = "/".join(map(str, result["num_inference_steps"]))
    title = f"Simulated: {result['costs']['name']}, {steps} steps"
    waiting = "last key to finished picture, p95, ms"
    draw_curves(path, title, "people typing at once", waiting, lines)


def _settings(plan: Plan) -> dict[str, Any]:
    return {
        "seconds": plan.seconds,
        "num_inference_steps": list(plan.num_inference_steps),
        "latency_budget": plan.latency_budget,
    }


def _table(runs: Sequence[dict[str, Any]]) -> str:
    heads = [
        *("GPUs, users", "final ms p50/p95/max", "first paint p50/p95", "fairness", "lost"),
        *("wasted", "rows a step", "busy", "finals/s"),
    ]
    rows = [
        [
            f"{run['gpus']}, {run['users']}",
            " / ".join(f"{each:.0f}" for each in run["last_key_to_final_ms"].values()),
            " / ".join(f"{run['first_paint_ms'][share]:.0f}" for share in ("p50", "p95")),
            f"{run['fairness']:.3f}",
            str(run["lost_finals"]),
            f"{run['wasted_steps'] / max(1, run['steps']):.0%}",
            "-" if run["rows_per_step"] is None else f"{run['rows_per_step']:.1f}",
            f"{run['utilisation']:.0%}",
            f"{run['finals_per_second']:.1f}",
        ]
        for run in runs
    ]
    return table(heads, rows)
