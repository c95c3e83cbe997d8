"""`bench chaos`: people type while the engines of a Ray cluster are killed and stopped.

A server is started as `python app.py --engine ray --replicas N`; eight people and one program use
it, first in calm, then while its replicas get SIGKILL and SIGSTOP at moments that follow from a
seed. Counted are the pictures that somebody waited for, and those that came.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import EngineUnavailable
from . import report
from .api_clients import Answer, Question, Route, ask_in_turn
from .app_server import all_ready, app_command, replicas, until_ready
from .clients import LivePage, Page
from .many import type_keys
from .score import Trace, waits
from .servers import Server, allow_files, ended_in_order, launch
from .typists import typist

TYPISTS = 8
BETWEEN = (8.0, 14.0)  # seconds between two faults
FIRST = 3.0  # seconds until the first
STOPPED = 8.0  # seconds that a stopped replica stays so, unless it is replaced before
NOTICED = 5.0  # seconds within which it is
STEPS = 4
PATIENCE = 60.0  # seconds after the last key
ROUTE = Route("/v1/pictures", "image/jpeg")
MOST_FILES = 4096


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench chaos`."""
    parser.add_argument(
        "--seconds",
        type=report.whole(5, 3600),
        default=180,
        help="of typing while replicas are killed, 5 to 3600 (default: 180)",
    )
    parser.add_argument(
        "--calm",
        type=report.whole(3, 3600),
        default=30,
        metavar="SECONDS",
        help="of typing before, for comparison (default: 30)",
    )
    parser.add_argument("--replicas", type=report.whole(1, 16), default=2, help="default: 2")
    parser.add_argument("--typists", type=report.whole(1, 64), default=TYPISTS, help="default: 8")
    parser.add_argument("--seed", type=report.whole(0, 10**6), default=0, help="default: 0")
    report.add_threads(parser)
    parser.set_defaults(threads=1)


@dataclass(slots=True)
class Served:
    """What a crowd asked for and got."""

    traces: Sequence[Trace]
    answers: list[Answer]

    def figures(self) -> dict[str, Any]:
        """Of the people: how long they waited; of all: how many pictures came."""
        found = [wait for trace in self.traces for wait in waits(trace)]
        lost = sum(wait.lost for wait in found) + sum(not answer.data for answer in self.answers)
        ms = [1000 * wait.seconds for wait in found]
        problems = {p for t in self.traces for p in t.problems}
        problems |= {answer.problem for answer in self.answers if answer.problem}
        return {
            "requests": len(found) + len(self.answers),
            "answered": len(found) + len(self.answers) - lost,
            "out_of_order": sum(map(out_of_order, self.traces)),
            **report.p50_p95(ms),
            "max": round(max(ms), 2),
            "problems": sorted(problems)[:5],
        }


@dataclass(slots=True)
class Faults:
    """What was done to the replicas."""

    kills: int = 0
    stops: int = 0
    recovery_seconds: list[float] = field(default_factory=list)  # until all were there again


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document.

    Raises:
        EngineUnavailable: the engines did not start.
    """
    if os.name != "posix":
        raise EngineUnavailable(
            "Signals that stop a program are needed, which this system has not."
        )
    allow_files(MOST_FILES)
    program = app_command(args.threads, replicas=args.replicas)
    with ended_in_order(), launch(program, "lightning_demo") as server:
        server.wait()
        asyncio.run(all_ready(server, args.replicas))
        print(f"{args.replicas} engines are there", flush=True)
        calm = asyncio.run(_use(server, args.typists, args.calm, visit=0))
        print("calm", flush=True)
        served, faults = asyncio.run(_chaos(server, args))
        moved = asyncio.run(server.metric("lightning_moved_total")) or 0
    before, figures = calm.figures(), served.figures()
    result = {
        "benchmark": "chaos",
        "requests": figures["requests"],
        "answered": figures["answered"],
        "out_of_order": figures["out_of_order"],
        "kills": faults.kills,
        "stops": faults.stops,
        "restarted": moved,
        "calm_p50_ms": before["p50"],
        "calm_p95_ms": before["p95"],
        "p50_ms": figures["p50"],
        "p95_ms": figures["p95"],
        "max_ms": figures["max"],
        "calm_requests": before["requests"],
        "calm_answered": before["answered"],
        "recovery_seconds": [round(seconds, 1) for seconds in faults.recovery_seconds],
        **({"problems": figures["problems"]} if figures["problems"] else {}),
        **{name: getattr(args, name) for name in ("seconds", "replicas", "typists", "seed")},
        **report.environment(),
    }
    _print(result)
    return result


async def _chaos(server: Server, args: argparse.Namespace) -> tuple[Served, Faults]:
    faults = Faults()
    breaking = asyncio.create_task(_break(server, args, faults))
    try:
        served = await _use(server, args.typists, args.seconds, visit=1)
    finally:
        breaking.cancel()
        await asyncio.gather(breaking, return_exceptions=True)
        for process in replicas(server):  # none may stay so
            process.resume()
    return served, faults


async def _use(server: Server, typists: int, seconds: float, *, visit: int) -> Served:
    """Everybody types for so long, and a program asks for one picture after another."""
    typing = [typist(number, visit, seconds) for number in range(typists)]
    pages: list[Page] = [LivePage(server.url, each.seed, STEPS) for each in typing]
    end = time.monotonic() + seconds
    program = asyncio.create_task(asyncio.to_thread(_ask_until, server.url, end, visit))
    try:
        await asyncio.gather(*(page.open() for page in pages))
        begun = time.perf_counter()
        users = zip(pages, typing, strict=True)
        traces = await asyncio.gather(
            *(type_keys(page, each, begun, PATIENCE) for page, each in users)
        )
    finally:
        await asyncio.gather(*(page.close() for page in pages))
        answers = await program
    return Served(traces, answers)


def _ask_until(url: str, end: float, visit: int) -> list[Answer]:
    answers: list[Answer] = []
    for number in itertools.count(1_000_000 * visit):
        if time.monotonic() >= end:
            return answers
        question = Question(f"a boat by the sea, {number}", STEPS, number)
        answers += ask_in_turn(url, ROUTE, [question])
        time.sleep(0.5)
    raise AssertionError("it goes on for ever")


async def _break(server: Server, args: argparse.Namespace, faults: Faults) -> None:
    """Kills or stops a replica now and then, by turns of chance."""
    rng = random.Random(args.seed)  # noqa: S311
    begun = time.monotonic()
    await asyncio.sleep(FIRST)
    while time.monotonic() - begun < args.seconds:
        known = replicas(server)
        if known:
            process = rng.choice(known)
            at = time.monotonic()
            if faults.kills <= faults.stops or rng.random() < 0.5:
                faults.kills += 1
                print(f"{at - begun:5.0f} s: SIGKILL", flush=True)
                process.send_signal(signal.SIGKILL)
            else:
                faults.stops += 1
                print(f"{at - begun:5.0f} s: SIGSTOP", flush=True)
                process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(STOPPED)
                if process.is_running():
                    process.send_signal(signal.SIGCONT)
            await until_ready(server, lambda ready: ready < args.replicas, NOTICED)
            await all_ready(server, args.replicas)
            faults.recovery_seconds.append(time.monotonic() - at)
        await asyncio.sleep(rng.uniform(*BETWEEN))


def out_of_order(trace: Trace) -> int:
    """Frames that show less of a request than one before."""
    highest: dict[tuple[int, int], int] = {}
    count = 0
    for picture in trace.pictures:
        request = picture.key, picture.steps
        count += picture.step < highest.get(request, 0)
        highest[request] = max(highest.get(request, 0), picture.step)
    return count


def _print(result: dict[str, Any]) -> None:
    heads = ["", "calm", "chaos"]
    rows = [
        ["pictures asked for", f"{result['calm_requests']}", f"{result['requests']}"],
        ["that came", f"{result['calm_answered']}", f"{result['answered']}"],
        ["last key to final, ms p50", f"{result['calm_p50_ms']:.0f}", f"{result['p50_ms']:.0f}"],
        ["p95", f"{result['calm_p95_ms']:.0f}", f"{result['p95_ms']:.0f}"],
        ["max", "", f"{result['max_ms']:.0f}"],
        ["killed / stopped", "", f"{result['kills']} / {result['stops']}"],
        ["begun anew", "", f"{result['restarted']}"],
    ]
    print(report.table(heads, rows), flush=True)
    for problem in result.get("problems", ()):
        print(f"it was said: {problem}")
