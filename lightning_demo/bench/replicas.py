"""`bench replicas`: what an engine elsewhere costs, and what a second one is worth.

The demo is started in four ways in turn: with its engine in the process that serves the page, with
one in a process of its own, with one replica of Ray and with two, each engine with as many threads.
Only one of them is there at a time. A cluster with nothing to do takes a tenth of a core, an engine
that has just been used measures its calls, and neither can be suspended: it would be taken for
dead.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from typing import Any

from ..errors import EngineUnavailable
from . import report
from .api_clients import Question, Route, ask_at_once
from .app_server import all_ready, app_command
from .app_server import replicas as replicas_of
from .clients import LivePage
from .many import type_keys
from .score import Round, first_paints, score
from .servers import MOST_FILES, Server, allow_files, ended_in_order, launch
from .typists import Typist, steady_typist, typist

SIDES = {  # by name: engine, replicas
    "local": ("local", 1),
    "process": ("process", 1),
    "one_replica": ("ray", 1),
    "two_replicas": ("ray", 2),
}
COMPARED = {"process": "process", "ray": "one_replica"}  # with the engine in the page's process
ROUTE = Route("/v1/pictures", "image/jpeg")
WARM_UP_PICTURES = 4  # of each program
PROMPT = "a boat by the sea"
SETTLE_SECONDS = 25.0  # in which an engine that has just been used measures its calls


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench replicas`."""
    parser.add_argument("--rounds", type=report.whole(1, 100), default=3, help="default: 3")
    parser.add_argument(
        "--users",
        type=report.whole(1, 200),
        default=16,
        help="people who type, and programs that ask without a pause, 1 to 200 (default: 16)",
    )
    parser.add_argument(
        "--seconds", type=report.whole(1, 600), default=8, help="of their typing (default: 8)"
    )
    parser.add_argument(
        "--pictures",
        type=report.whole(1, 1000),
        default=4,
        help="of each program in each round (default: 4)",
    )
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=SIDES,
        default=tuple(SIDES),
        metavar="SIDE",
        help=f"of {', '.join(SIDES)} (default: all)",
    )
    parser.add_argument(
        "--pin",
        action="store_true",
        help="let each replica of Ray compute on one core only, its own: even with one thread for "
        "the model an engine takes a second core, to decode and to encode",
    )
    report.add_steps(parser)
    report.add_threads(parser)
    parser.set_defaults(threads=1)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document.

    Raises:
        EngineUnavailable: the engines did not start, or one gave no picture.
    """
    allow_files(MOST_FILES)
    sides = {side: SIDES[side] for side in dict.fromkeys(args.sides)}
    first: dict[str, list[float]] = {side: [] for side in sides}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    crowds: dict[str, list[Round]] = {side: [] for side in sides}
    with ended_in_order():
        for number in range(1, args.rounds + 1):
            for side, (engine, replicas) in sides.items():
                with launch(app_command(args.threads, engine, replicas), side) as server:
                    _prepare(server, replicas, args)
                    alone = _type(server, [steady_typist(number)], args.num_inference_steps)
                    first[side] += [1000 * s for trace in alone.traces for s in first_paints(trace)]
                    rates[side].append(_ask(server, args, args.pictures, visit=number))
                    people = [typist(user, number, args.seconds) for user in range(args.users)]
                    crowds[side].append(_type(server, people, args.num_inference_steps))
                print(f"round {number} of {args.rounds}: {side}", flush=True)
    result = _document(args, first, rates, crowds)
    _print(result)
    return result


def _prepare(server: Server, replicas: int, args: argparse.Namespace) -> None:
    """Waits until all engines are ready, have been used once, and have come to rest."""
    server.wait()
    asyncio.run(all_ready(server, replicas))
    if args.pin:
        _pin(server)
    _ask(server, args, WARM_UP_PICTURES, visit=0)
    _type(server, [steady_typist(-1)], args.num_inference_steps)
    time.sleep(SETTLE_SECONDS)


def _type(server: Server, typing: Sequence[Typist], steps: int) -> Round:
    """Everybody types at once."""

    async def typed() -> Round:
        pages = [LivePage(server.url, each.seed, steps) for each in typing]
        try:
            await asyncio.gather(*(page.open() for page in pages))
            begun = time.perf_counter()
            users = zip(pages, typing, strict=True)
            traces = await asyncio.gather(*(type_keys(page, each, begun) for page, each in users))
        finally:
            await asyncio.gather(*(page.close() for page in pages))
        return Round(tuple(traces), None)

    return asyncio.run(typed())


def _pin(server: Server) -> None:
    """Each of its replicas to one core.

    Raises:
        EngineUnavailable: this system does not let us.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise EngineUnavailable("pin: this system does not keep processes to a core.")
    for core, process in zip(itertools.cycle(sorted(os.sched_getaffinity(0))), replicas_of(server)):
        for thread in process.threads():  # of a process, only its first thread is meant
            os.sched_setaffinity(thread.id, {core})


def _ask(server: Server, args: argparse.Namespace, pictures: int, *, visit: int) -> float:
    """Pictures a second, of programs that ask without a pause, each for another one.

    Raises:
        EngineUnavailable: one did not come.
    """
    seeds = iter(range(visit * args.users * 1000, (visit + 1) * args.users * 1000))
    programs = [
        [Question(PROMPT, args.num_inference_steps, next(seeds)) for _ in range(pictures)]
        for _ in range(args.users)
    ]
    seconds, answers = ask_at_once(server.url, ROUTE, programs)
    for answer in answers:
        if answer.problem:
            raise EngineUnavailable(f"{server.name} gave no picture: {answer.problem}")
    return len(answers) / seconds


def _document(
    args: argparse.Namespace,
    first: dict[str, list[float]],
    rates: dict[str, list[float]],
    crowds: dict[str, list[Round]],
) -> dict[str, Any]:
    sides = {}
    for side in crowds:
        crowd = score(crowds[side])
        sides[side] = {
            "first_paint_ms": report.p50_p95(first[side]),
            "pictures_per_second": round(report.percentile(rates[side], 0.5), 2),
            "crowd_last_key_to_final_ms": crowd["last_key_to_final_ms"],
            "crowd_finals_per_second": crowd["finals_per_second"],
            "crowd_lost_finals": crowd["lost_finals"],
        }

    def per_round(one: str, other: str) -> float:
        """The median of the rounds' ratios: what slows a whole round slows both."""
        ratios = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
        return round(report.percentile(ratios, 0.5), 2)

    def added_ms(side: str) -> float:
        medians = [sides[each]["first_paint_ms"]["p50"] for each in (side, "local")]
        return round(medians[0] - medians[1], 2)

    compared: dict[str, float] = {}
    for name, side in COMPARED.items():
        if {"local", side} <= set(sides):
            compared |= {
                f"{name}_adds_ms_p50": added_ms(side),
                f"{name}_throughput": per_round(side, "local"),
            }
    if {"one_replica", "two_replicas"} <= set(sides):
        compared["second_replica"] = per_round("two_replicas", "one_replica")
    names = ("rounds", "users", "seconds", "pictures", "num_inference_steps", "threads", "pin")
    return {
        "benchmark": "replicas",
        "sides": sides,
        **compared,
        **{name: getattr(args, name) for name in names},
        "cores": os.cpu_count(),
        **report.environment(),
    }


def _print(result: dict[str, Any]) -> None:
    labels = {
        "first_paint_ms": "one person: first paint, ms p50/p95",
        "pictures_per_second": f"{result['users']} programs: pictures a second",
        "crowd_last_key_to_final_ms": (
            f"{result['users']} people: last key to final, ms p50/p95/max"
        ),
        "crowd_finals_per_second": "finished pictures a second",
        "crowd_lost_finals": "lost",
    }
    sides = result["sides"]
    rows = [
        [label, *(report.shown(side[key]) for side in sides.values())]
        for key, label in labels.items()
    ]
    print(report.table(["", *sides], rows))
    for name in COMPARED:
        if f"{name}_throughput" in result:
            print(
                f"{name}: {result[f'{name}_adds_ms_p50']:+.1f} ms to the first paint at p50, "
                f"{result[f'{name}_throughput']} times the pictures a second"
            )
    if "second_replica" in result:
        print(f"two replicas: {result['second_replica']} times those of one", flush=True)
