"""`bench many`: many people typing at one server, beside the usual ways to build it.

Each server runs as a program of its own and is typed at over real sockets, one after the other in
each round, by the same typists; all users are tasks of this one process. A server that nobody types
at is suspended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import EngineUnavailable
from .clients import Page
from .plots import draw_waiting
from .report import add_files, add_steps, add_threads, environment, shown, table, whole
from .score import PATIENCE, KeyPress, Round, Trace, client_load, score
from .servers import OURS, PEERS, Server, serve_all, wait_until_fast
from .typists import Typist, typist

WARM_UP_USERS, WARM_UP_SECONDS = 8, 0.5
# Ten waits each. Of the two or three of 16 s, chance alone makes a fairness of 0.9.
SECONDS = 60
FIGURES = (  # the table's rows: label, key, format
    ("last key to final, ms p50/p95/max", "last_key_to_final_ms", ".0f"),
    ("first paint, ms p50/p95/max", "first_paint_ms", ".0f"),
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


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench many`."""
    parser.add_argument(
        "--users",
        type=whole(1, 200),
        nargs="+",
        default=(16,),
        metavar="N",
        help="people typing at the same time, 1 to 200; several numbers one after another "
        "(default: 16)",
    )
    parser.add_argument(
        "--seconds",
        type=whole(1, 600),
        default=SECONDS,
        help=f"of typing, 1 to 600 (default: {SECONDS})",
    )
    parser.add_argument(
        "--rounds", type=whole(1, 100), default=1, help="each server's turns (default: 1)"
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        default=PEERS,
        metavar="PEER",
        help=f"of {', '.join(PEERS)}; none after the option: ours alone (default: all)",
    )
    add_steps(parser, choices=(2, 4, 8))
    add_threads(parser)
    add_files(parser, "waiting over users")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints its tables; returns the JSON document.

    It is that of the most users, with those of all numbers of users as `runs` if there are several.
    """
    users, steps = sorted(set(args.users)), args.num_inference_steps
    with serve_all([OURS, *dict.fromkeys(args.peers)], steps, args.threads) as servers:
        crowd = range(min(WARM_UP_USERS, users[-1]))
        warm_up(servers, [typist(user, args.rounds, WARM_UP_SECONDS) for user in crowd], steps)
        runs = [_run(servers, number, args) for number in users]
    result = {"benchmark": "many", **runs[-1]}
    if len(runs) > 1:
        result["runs"] = runs
    settings = {
        name: getattr(args, name)
        for name in ("seconds", "rounds", "num_inference_steps", "threads")
    }
    return {**result, **settings, "patience_seconds": PATIENCE, **environment()}


def warm_up(servers: Sequence[Server], typing: Sequence[Typist], steps: int) -> None:
    """Types at each, which does not count.

    Raises:
        EngineUnavailable: one gave no finished picture.
    """
    for server, each in zip(servers, type_at(servers, typing, steps), strict=True):
        figures = score([each])
        if figures["lost_finals"]:
            said = "; ".join(figures.get("problems", ["it said nothing"]))
            raise EngineUnavailable(f"{server.name} gave no finished picture: {said}")
    wait_until_fast(servers[0])


def type_at(servers: Sequence[Server], typing: Sequence[Typist], steps: int) -> list[Round]:
    """One round at each server: everybody types at one after the other."""
    rounds = []
    for server in servers:
        with server.running():
            rounds.append(asyncio.run(_round(server, typing, steps)))
        print(f"{server.name}: {len(typing)} users typed", flush=True)
    return rounds


def _run(servers: Sequence[Server], users: int, args: argparse.Namespace) -> dict[str, Any]:
    """All servers with so many users, in turns."""
    before = [server.memory_mib() for server in servers]
    rounds = [
        type_at(
            servers,
            [typist(user, number, args.seconds) for user in range(users)],
            args.num_inference_steps,
        )
        for number in range(args.rounds)
    ]
    figures = {}
    for server, began, own in zip(servers, before, zip(*rounds, strict=True), strict=True):
        ended = server.memory_mib()
        growth = None if began is None or ended is None else round(ended - began, 1)
        figures[server.name] = {**score(own), **client_load(own), "memory_growth_mib": growth}
    _print(users, figures)
    ours = figures.pop(OURS)
    result = {**ours, "peers": figures}
    if figures:
        best = min(peer["last_key_to_final_ms"]["p95"] for peer in figures.values())
        ratio = best / ours["last_key_to_final_ms"]["p95"]
        result["speedup_p95_vs_best_peer"] = round(ratio, 2)
    return result


async def _round(server: Server, typing: Sequence[Typist], num_inference_steps: int) -> Round:
    before = await server.steps()
    pages = [server.page(each.seed, num_inference_steps) for each in typing]
    try:
        await asyncio.gather(*(page.open() for page in pages))
        begun, busy = time.perf_counter(), time.process_time()
        users = zip(pages, typing, strict=True)
        traces = await asyncio.gather(*(type_keys(page, each, begun) for page, each in users))
        took, busy = time.perf_counter() - begun, time.process_time() - busy
    finally:
        # Nobody leaves before all have what they want, or have given up.
        await asyncio.gather(*(page.close() for page in pages))
    after = await server.steps_at_rest()
    steps = None if before is None or after is None else after - before
    return Round(tuple(traces), steps, busy / took)


async def type_keys(
    page: Page, typing: Typist, begun: float, patience: float | None = None
) -> Trace:
    """Types by the clock, whatever comes back, then waits for the last picture.

    Args:
        begun: when that clock began, by `time.perf_counter`.
        patience: seconds after the last key; None: `PATIENCE`.
    """
    for number, key in enumerate(typing.keys):
        due = begun + key.at
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        page.trace.presses.append(KeyPress(due, key.waits, time.perf_counter()))
        await page.press(number, key.text)
    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
        finished = page.finished(len(typing.keys) - 1)
        await asyncio.wait_for(finished, PATIENCE if patience is None else patience)
    page.trace.ended = time.perf_counter()
    return page.trace


def _print(users: int, servers: Mapping[str, Mapping[str, Any]]) -> None:
    rows = [
        [label, *(shown(figures[key], form) for figures in servers.values())]
        for label, key, form in FIGURES
    ]
    print(table([f"{users} users", *servers], rows), flush=True)
    for name, figures in servers.items():
        for problem in figures.get("problems", ()):
            print(f"{name} said: {problem}")


def plot(path: Path, result: dict[str, Any]) -> None:
    """Draws how long users wait, over their number."""
    runs = result.get("runs", [result])
    sides = {OURS: runs, **{name: [r["peers"][name] for r in runs] for name in runs[0]["peers"]}}
    title = f"Many typists: {result['num_inference_steps']} steps, miniature, {result['machine']}"
    draw_waiting(path, title, sides)
