"""`bench simulate`: how long typists wait with more people and more GPUs than are here."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ..engine import failover
from ..errors import InvalidSetting
from ..schemas import STEP_COUNTS
from ..settings import Settings
from .plots import draw_waiting
from .report import add_files, add_threads, environment, table, whole
from .simulation.caps import compare_caps
from .simulation.crowd import figures, simulate, typists
from .simulation.device_model import DeviceModel, device_model
from .simulation.replicas import Deaths


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
    parser.add_argument(
        "--deaths",
        type=whole(0, 1000),
        metavar="N",
        help="GPUs are replicas of a cluster, of which so many die while people type, 0 to 1000, "
        "at moments that follow from a seed (default: sessions stay with one GPU, and none dies)",
    )
    parser.add_argument(
        "--replaced-after",
        type=whole(0, 3600),
        default=30,
        metavar="SECONDS",
        help="until another has taken a dead one's place, 0 to 3600 (default: 30)",
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
    if args.deaths is not None and (args.caps or args.check):
        raise InvalidSetting("deaths: --caps and --check are of one GPU, which stays.")
    args.users, args.gpus = sorted(set(args.users)), sorted(set(args.gpus))
    run = bench_caps if args.caps else bench_check if args.check else bench_simulate
    settings = {
        "seconds": args.seconds,
        "num_inference_steps": list(args.num_inference_steps),
        "latency_budget": args.latency_budget,
        "deaths": args.deaths,
        "replaced_after": None if args.deaths is None else args.replaced_after,
    }
    return {**run(args), **settings, **environment()}


def bench_simulate(args: argparse.Namespace) -> dict[str, Any]:
    """Simulates every number of users on every number of GPUs and prints the table.

    Raises:
        InvalidSetting: there are no such costs.
    """
    model = device_model(args.costs, args.threads)
    begun = time.perf_counter()
    crowds = [(gpus, users) for gpus in args.gpus for users in args.users]
    one = partial(
        _simulated,
        model=model,
        seconds=args.seconds,
        steps=tuple(args.num_inference_steps),
        settings=_settings(args),
        deaths=_deaths(args),
    )
    workers = min(os.cpu_count() or 1, len(crowds))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        # The largest first, so that no process ends long after the others.
        largest_first = sorted(crowds, key=lambda crowd: -crowd[1])
        running = {crowd: pool.submit(one, *crowd) for crowd in largest_first}
        runs = [running[crowd].result() for crowd in crowds]
    print(_table(runs))
    print(f"simulated in {time.perf_counter() - begun:.1f} s")
    return {
        "benchmark": "simulate",
        "runs": runs,
        "costs": model.as_dict(),
        "step_cap": model.latency_model.cap("step", model.size),
    }


def _simulated(
    gpus: int,
    users: int,
    *,
    model: DeviceModel,
    seconds: float,
    steps: tuple[int, ...],
    settings: Settings,
    deaths: Deaths | None,
) -> dict[str, Any]:
    """One crowd, in a process of its own, which need not tell of each request that moves."""
    logging.getLogger(failover.__name__).setLevel(logging.ERROR)
    outcome = simulate(model, typists(users, seconds), gpus, steps, settings, deaths)
    return figures(outcome, gpus)


def bench_caps(args: argparse.Namespace) -> dict[str, Any]:
    """Compares numbers of rows a step, and prints p50 / p95 from last key to final of each."""
    found = compare_caps(args.seconds, _settings(args))
    rows = []
    for each in found:
        cells = []
        for cap, scored in each["rows"].items():
            waits = scored["last_key_to_final_ms"]
            mark = "*" if int(cap) == each["by_rule"] else " "
            cells.append(f"{waits['p50']:.0f} / {waits['p95']:.0f}{mark}")
        steps = "/".join(map(str, each["steps"]))
        rows.append([f"{each['scenario']}, {each['users']} users, {steps} steps", *cells])
    print(table(["last key to final, ms (* the rule)", "1 row", "2", "4", "8"], rows))
    return {"benchmark": "simulate caps", "scenarios": found}


def bench_check(args: argparse.Namespace) -> dict[str, Any]:
    """Types at the real miniature beside its simulation, and prints both."""
    import torch

    from .bench_model import miniature_sampler
    from .simulation.check import check

    torch.set_num_threads(args.threads)
    sampler = miniature_sampler(*args.num_inference_steps)
    runs = [
        check(sampler, users, args.seconds, args.num_inference_steps, _settings(args))
        for users in args.users
    ]
    rows = []
    for run in runs:
        for name in ("last_key_to_final", "first_paint"):
            spreads = [run[side][f"{name}_ms"] for side in ("simulated", "measured")]
            cells = [f"{spread['p50']:.0f} / {spread['p95']:.0f}" for spread in spreads]
            ratios = [run["ratio"].get(f"{name}_ms_{share}", 0) for share in ("p50", "p95")]
            cells.append(" / ".join(f"{ratio:.2f}" for ratio in ratios))
            rows.append([f"{run['users']} users, {name.replace('_', ' ')}, ms", *cells])
    print(table(["p50 / p95", "simulated", "measured", "ratio"], rows))
    return {"benchmark": "simulate check", "runs": runs}


def plot(path: Path, result: dict[str, Any]) -> None:
    """Draws how long users wait, over their number; the file's ending says how."""
    runs = result["runs"]
    served = {
        f"{gpus} GPU{'s' if gpus > 1 else ''}": [run for run in runs if run["gpus"] == gpus]
        for gpus in dict.fromkeys(run["gpus"] for run in runs)
    }
    steps = "/".join(map(str, result["num_inference_steps"]))
    draw_waiting(path, f"Simulated: {result['costs']['name']}, {steps} steps", served)


def _settings(args: argparse.Namespace) -> Settings:
    """Of the live sessions."""
    return Settings(latency_budget=args.latency_budget)


def _deaths(args: argparse.Namespace) -> Deaths | None:
    if args.deaths is None:
        return None
    return Deaths(args.deaths, args.replaced_after, args.seconds)


def _table(runs: Sequence[dict[str, Any]]) -> str:
    heads = [
        *("GPUs, users", "final ms p50/p95/max", "first paint p50/p95", "fairness", "lost"),
        *("wasted", "rows a step", "busy", "finals/s", "begun anew"),
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
            str(run["moved"]),
        ]
        for run in runs
    ]
    return table(heads, rows)
