"""`bench api`: what `POST /v1/pictures` costs around the engine, and many programs at once.

Beside it, in turns, stands what one would write first: a FastAPI server around `pipe(...)`. Both
are programs of their own with the same weights, eager and without a memory of finished pictures,
and are asked for the same pictures as JPEG.

*Overhead* is from asking to the last byte, less what the server says that the engine, or
`pipe(...)`, took for that very picture. A picture is *lost* if none comes, and *wrong* if it is not
the one that `pipe(...)` paints of the same question, or that comes when it is asked for again,
alone. Rows that share a UNet call are rounded differently now and then, by a level: so those do not
always have the same bytes, and it is told how many have.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import report
from .api_clients import Answer, Question, Route, ask_at_once, ask_in_turn, levels_apart
from .servers import CALLS_METRIC, OURS, STEPS_METRIC, Server, serve_commands

PEER = "fastapi_pipe"
ROUTES = {
    OURS: Route("/v1/pictures", "image/jpeg"),
    PEER: Route("/paint", "image/jpeg"),
}
KEPT = Route("/v1/pictures", "application/json")  # a file and its address
IN_A_TURN = 15  # questions of one program, until the other server's turn
SMALL, QUICKEST = "miniature", 1  # weights and steps of the pictures whose overhead is measured
PICTURES = 2  # of each program, a round
QUIET = 10.0  # seconds in which ours measures what its calls cost, as any server has in the end
AGAIN = 5  # pictures of each crowd that are asked for once more, alone
APART = 4.0  # levels in the mean, above which two pictures are different ones

Ask = Callable[[], Question]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench api`."""
    parser.add_argument(
        "--programs",
        type=report.whole(1, 200),
        nargs="+",
        default=(1, 8, 50),
        metavar="N",
        help="that ask at the same time, 1 to 200; several numbers one after another "
        "(default: 1 8 50)",
    )
    report.add_model(parser, "thin")
    report.add_steps(parser)
    parser.add_argument("--rounds", type=report.positive, default=5, help="default: 5")
    parser.add_argument(
        "--requests",
        type=report.positive,
        default=120,
        help="one after another whose overhead is measured, with the miniature (default: 120)",
    )
    parser.add_argument(
        "--fast", action="store_true", help="few of everything, to see that all of it works"
    )
    report.add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    if args.fast:
        args.programs, args.rounds, args.requests = (1, 3), 1, 4
        args.weights, args.num_inference_steps = SMALL, QUICKEST
    with _serve(QUICKEST, SMALL, "cpu", args.threads) as servers:
        overhead = _overhead(servers, _asking(QUICKEST), args.requests)
        crowds = _crowds(servers, args) if args.fast else {}
    if not args.fast:
        with _serve(args.num_inference_steps, args.weights, args.device, args.threads) as servers:
            crowds = _crowds(servers, args)
    figures = {str(programs): crowd.figures() for programs, crowd in crowds.items()}
    _print(overhead, figures, args.weights)
    return {
        "benchmark": "api",
        "overhead_ms": overhead,
        "programs": figures,
        "checks": _checks(figures),
        "overhead_weights": SMALL,
        "weights": args.weights,
        "num_inference_steps": args.num_inference_steps,
        "rounds": args.rounds,
        "requests": args.requests,
        "threads": args.threads,
        **report.environment(),
    }


@dataclass(slots=True)
class Crowd:
    """So many programs at both servers, in several rounds."""

    programs: int
    seconds: dict[str, list[float]] = field(default_factory=dict)  # by server, of each round
    answers: dict[str, list[Answer]] = field(default_factory=dict)  # by server; same questions
    alone: list[tuple[Answer, Answer]] = field(default_factory=list)  # in ours' crowd, and alone
    rows_in_a_call: float | None = None  # of ours, on average

    def figures(self) -> dict[str, Any]:
        """What is told of it."""
        asked = len(self.answers[OURS])
        in_a_round = asked / len(self.seconds[OURS])
        rates = {
            name: round(in_a_round / report.percentile(taken, 0.5), 2)
            for name, taken in self.seconds.items()
        }
        pairs = [*zip(self.answers[OURS], self.answers[PEER], strict=True), *self.alone]
        problems = sorted({a.problem for own in self.answers.values() for a in own if a.problem})
        return {
            "pictures": asked,
            "pictures_per_second": rates,
            "speedup": round(rates[OURS] / rates[PEER], 2),
            "answer_ms": {
                name: report.p50_p95([answer.ms for answer in own])
                for name, own in self.answers.items()
            },
            "rows_in_a_call": self.rows_in_a_call,
            "lost": {name: sum(not a.data for a in own) for name, own in self.answers.items()},
            "wrong": sum(
                levels_apart(*pair) > APART for pair in pairs if all(a.data for a in pair)
            ),
            "again": len(self.alone),
            "again_the_same_bytes": sum(one.data == other.data for one, other in self.alone),
            **({"problems": problems[:5]} if problems else {}),
        }


def _overhead(servers: Sequence[Server], ask: Ask, requests: int) -> dict[str, Any]:
    """Of one program that asks for one picture after another, at each route in turns."""
    ours, theirs = servers
    ways = {
        OURS: (ours, ROUTES[OURS]),
        f"{OURS}, kept": (ours, KEPT),
        PEER: (theirs, ROUTES[PEER]),
    }
    answers: dict[str, list[Answer]] = {name: [] for name in ways}
    while any(len(found) < requests for found in answers.values()):
        for name, (server, route) in ways.items():
            questions = [ask() for _ in range(1 + min(IN_A_TURN, requests))]
            with server.running():
                first, *found = ask_in_turn(server.url, route, questions)  # the first connects
            answers[name] += found[: requests - len(answers[name])]
    return {
        name: {
            **report.p50_p95([answer.overhead_ms for answer in found if answer.data]),
            "picture": report.p50_p95([answer.own_ms for answer in found if answer.data]),
            "requests": len(found),
            "lost": sum(not answer.data for answer in found),
        }
        for name, found in answers.items()
    }


def _crowds(servers: Sequence[Server], args: argparse.Namespace) -> dict[int, Crowd]:
    """Every number of programs, after what does not count."""
    ask = _asking(args.num_inference_steps)
    _round(servers, ask, PICTURES)
    with servers[0].running():
        time.sleep(0 if args.fast else QUIET)
    return {n: _crowd(servers, ask, n, args.rounds) for n in sorted(set(args.programs))}


def _crowd(servers: Sequence[Server], ask: Ask, programs: int, rounds: int) -> Crowd:
    """Everybody asks both servers for the same pictures, and ours for some of them again."""
    ours = servers[0]
    crowd = Crowd(programs)
    before = _counted(ours)
    for _ in range(rounds):
        for name, (seconds, answers) in _round(servers, ask, programs).items():
            crowd.seconds.setdefault(name, []).append(seconds)
            crowd.answers.setdefault(name, []).extend(answers)
    steps, calls = (after - was for after, was in zip(_counted(ours), before, strict=True))
    crowd.rows_in_a_call = round(steps / calls, 2) if calls else None
    some = crowd.answers[OURS][:: max(1, len(crowd.answers[OURS]) // AGAIN)]
    with ours.running():
        alone = ask_in_turn(ours.url, ROUTES[OURS], [answer.question for answer in some])
    crowd.alone = list(zip(some, alone, strict=True))
    return crowd


def _round(
    servers: Sequence[Server], ask: Ask, programs: int
) -> dict[str, tuple[float, list[Answer]]]:
    questions = [[ask() for _ in range(PICTURES)] for _ in range(programs)]
    found = {}
    for server in servers:
        with server.running():
            found[server.name] = ask_at_once(server.url, ROUTES[server.name], questions)
    return found


def _asking(num_inference_steps: int) -> Ask:
    """Questions without end, each with a prompt and a seed that nobody has asked for."""
    numbers = itertools.count()

    def ask() -> Question:
        number = next(numbers)
        return Question(f"a red house by the sea, {number}", num_inference_steps, number)

    return ask


@contextmanager
def _serve(steps: int, weights: str, device: str, threads: int) -> Iterator[list[Server]]:
    """Ours and the peer with one model, suspended."""
    options = ["0", str(threads), str(steps), weights, device]
    commands = {
        OURS: ["-m", "lightning_demo.bench.our_server", *options],
        PEER: ["-m", f"lightning_demo.bench.peers.{PEER}", *options],
    }
    with serve_commands(commands) as servers:
        yield servers


def _counted(server: Server) -> tuple[int, int]:
    """Steps and UNet calls so far."""
    with server.running():
        steps, calls = (
            asyncio.run(server.metric(name)) or 0 for name in (STEPS_METRIC, CALLS_METRIC)
        )
    return steps, calls


def _checks(figures: dict[str, Any]) -> list[dict[str, str]]:
    """What must be so however slow the machine is; else the command fails."""
    wanted = {
        "nothing is lost": lambda found: found["lost"][OURS] == 0,
        "the pictures are pipe(...)'s": lambda found: found["wrong"] == 0,
    }
    return [
        {"name": name, "status": "pass" if all(map(holds, figures.values())) else "fail"}
        for name, holds in wanted.items()
    ]


def _print(overhead: dict[str, Any], figures: dict[str, Any], weights: str) -> None:
    rows = [
        [
            name,
            *(f"{found[share]:.1f}" for share in ("p50", "p95")),
            f"{found['picture']['p50']:.0f}",
        ]
        for name, found in overhead.items()
    ]
    print(report.table(["one after another, ms", "overhead p50", "p95", "picture p50"], rows))
    rows = [
        [
            f"{programs} at once",
            *(f"{found['pictures_per_second'][name]:.2f}" for name in ROUTES),
            f"{found['speedup']:.2f}x",
            report.shown(found["rows_in_a_call"], ".1f"),
            report.shown(found["lost"], "d"),
            f"{found['wrong']}",
            f"{found['again_the_same_bytes']} of {found['again']}",
        ]
        for programs, found in figures.items()
    ]
    heads = [weights, "ours, pictures/s", PEER, "", "rows a call", "lost", "wrong", "same bytes"]
    print(report.table(heads, rows), flush=True)
    for programs, found in figures.items():
        for problem in found.get("problems", ()):
            print(f"{programs} at once: {problem}")
