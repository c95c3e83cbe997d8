"""`bench stage`: a talk before a hall full of phones, beside the same talk without them.

The server runs as a program of its own; the phones are tasks of a second process, presenter and
wall of this one. In each round the presenter talks alone, and then before the hall.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import report
from .many import warm_up
from .score import PATIENCE, Round, client_load, score
from .servers import OURS, Server, command, serve_commands
from .simulation.device_model import device_model
from .simulation.talk import simulated
from .stage_desk import Talk, give
from .stage_phones import Visit, Visited, visit
from .typists import PRESENTER, Typist, typist

WARM_UP_SECONDS = 0.5
FIGURES = {  # the table's rows: key, label
    "last_key_to_final_ms": "last key to final, ms p50/p95/max",
    "first_paint_ms": "first paint, ms p50/p95/max",
    "wall_behind_ms": "the wall after the page, ms p50/p95",
    "release_to_wall_ms": "from Show to the wall, ms p50/p95",
    "audience_page_ms": "the audience's page answers, ms p50/p95",
    "desk_ms": "the desk answers, ms p50/p95",
    "server_cpu_share": "the server, cores",
    "server_memory_mib": "its memory, MiB",
}
COMPARED = ("last_key_to_final", "first_paint", "audience_page", "desk")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench stage`."""
    whole = report.whole
    text = "on the audience's page, 1 to 450 (default: 300)"
    parser.add_argument("--phones", type=whole(1, 450), default=300, metavar="N", help=text)
    text = "phones that paint, 1 to 64 (default: 16)"
    parser.add_argument("--painting", type=whole(1, 64), default=16, metavar="N", help=text)
    text = "of typing, 1 to 600 (default: 24)"
    parser.add_argument("--seconds", type=whole(1, 600), default=24, help=text)
    parser.add_argument("--rounds", type=whole(1, 100), default=3, help="of both (default: 3)")
    report.add_steps(parser, choices=(2, 4, 8))
    report.add_threads(parser)
    text = "on a virtual clock instead, without sockets: what calls take, as of `bench simulate`"
    parser.add_argument("--simulate", default="", metavar="MODEL", help=text)
    text = "also keep the JSON as FILE"
    parser.add_argument("--out", type=Path, metavar="FILE", help=text)


@dataclass(frozen=True, slots=True)
class Load:
    """What the server has computed by a time, and what it holds."""

    at: float
    cpu: float | None
    memory: float | None

    @classmethod
    def of(cls, server: Server) -> Load:
        """As it is now."""
        return cls(time.perf_counter(), server.cpu_seconds(), server.memory_mib())


@dataclass(frozen=True, slots=True)
class Stretch:
    """One talk, who was there, and the server's load before and after."""

    talk: Talk
    hall: Visited | None
    before: Load
    after: Load


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints its table; returns the JSON document."""
    if args.simulate:
        return _simulate(args)
    steps, painting = args.num_inference_steps, min(args.painting, args.phones)
    options = ["--stage", "--audience", "--audience-seats", str(painting)]
    programs = {OURS: [*command(OURS, steps, args.threads), *options]}
    held: dict[str, str] = {}  # the presenter's code and token
    tokens: tuple[str, ...] = ()  # the phones'
    alone, full = [], []
    spawn = multiprocessing.get_context("spawn")
    with serve_commands(programs) as (server,), ProcessPoolExecutor(1, spawn) as pool:
        warm_up([server], [typist(PRESENTER, 2 * args.rounds, WARM_UP_SECONDS)], steps)
        with server.running():
            for number in range(args.rounds):
                typing = [typist(PRESENTER, 2 * number + n, args.seconds) for n in range(2)]
                alone.append(asyncio.run(_stretch(server, typing[0], steps, held)))
                hall = (number, args.seconds, args.phones, painting, tokens, PATIENCE)
                asked = Visit(server.url, held["code"], *hall)
                full.append(asyncio.run(_stretch(server, typing[1], steps, held, asked, pool)))
                assert full[-1].hall is not None  # noqa: S101
                tokens = full[-1].hall.tokens
                print(f"round {number + 1} of {args.rounds}", flush=True)
    sides = _presenter(alone), _presenter(full)
    phones = _phones([each.hall for each in full if each.hall is not None])
    _print(args.phones, painting, *sides, phones)
    return {
        "benchmark": "stage",
        "phones": args.phones,
        "painting": painting,
        "alone": sides[0],
        "with_hall": sides[1],
        "hall": phones,
        **{f"{name}_ratio_p50": _ratio(*sides, f"{name}_ms") for name in COMPARED},
        "lost": _lost(alone, full, args.phones),
        **{name: getattr(args, name) for name in ("seconds", "rounds", "threads")},
        "num_inference_steps": steps,
        **report.environment(),
    }


def _simulate(args: argparse.Namespace) -> dict[str, Any]:
    model = device_model(args.simulate, args.threads)
    asked = (args.seconds, args.rounds, args.num_inference_steps)
    alone, full, hall = simulated(model, args.painting, *asked)
    names = ("last_key_to_final_ms", "first_paint_ms")
    rows = [
        [FIGURES[name], *(report.shown(each[name], ".0f") for each in (alone, full, hall))]
        for name in names
    ]
    heads = [model.name, "the presenter alone", "before the hall", f"{args.painting} phones"]
    print(report.table(heads, rows))
    return {
        "benchmark": "stage simulated",
        "painting": args.painting,
        "alone": alone,
        "with_hall": full,
        "hall": hall,
        **{f"{name}_ratio_p50": _ratio(alone, full, f"{name}_ms") for name in COMPARED[:2]},
        **{name: getattr(args, name) for name in ("seconds", "rounds", "num_inference_steps")},
        "costs": model.as_dict(),
        **report.environment(),
    }


async def _stretch(
    server: Server,
    typing: Typist,
    steps: int,
    held: dict[str, str],
    asked: Visit | None = None,
    pool: Executor | None = None,
) -> Stretch:
    before = Load.of(server)
    if asked is None:
        talk = await give(server.url, typing, steps, held)
        return Stretch(talk, None, before, Load.of(server))
    hall = asyncio.get_running_loop().run_in_executor(pool, visit, asked)
    talk = await give(server.url, typing, steps, held, asked.phones, hall)
    return Stretch(talk, await hall, before, Load.of(server))


def _presenter(stretches: Sequence[Stretch]) -> dict[str, Any]:
    talks = [each.talk for each in stretches]
    found = score([Round((talk.trace,), None) for talk in talks])
    spreads = {
        "wall_behind_ms": [max(0.0, s) for talk in talks for s in talk.wall_behind],
        "release_to_wall_ms": [s for talk in talks for s in talk.shown],
        "audience_page_ms": [s for talk in talks for s in talk.page],
        "desk_ms": [s for talk in talks for s in talk.desk],
    }
    seconds = sum(each.after.at - each.before.at for each in stretches)
    cpu = [(each.before.cpu, each.after.cpu) for each in stretches]
    used = sum(after - before for before, after in cpu if before is not None and after is not None)
    memory = stretches[-1].after.memory
    kept = ("last_key_to_final_ms", "first_paint_ms", "waits", "superseded_waits", "problems")
    return {
        **{name: found[name] for name in kept if name in found},
        **{
            name: report.p50_p95([1000 * each for each in values]) if values else None
            for name, values in spreads.items()
        },
        "server_cpu_share": round(used / seconds, 2),
        "server_memory_mib": None if memory is None else round(memory, 1),
    }


def _phones(visits: Sequence[Visited]) -> dict[str, Any]:
    """Those who painted, and what was sent."""
    rounds = [visited.round for visited in visits]
    found = score(rounds)
    del found["steps"], found["wasted_steps"]
    others = sorted({problem for visited in visits for problem in visited.problems})
    return {
        **found,
        **client_load(rounds),
        "sent": sum(visited.accepted for visited in visits),
        "refused": sum(visited.refused for visited in visits),
        "votes": sum(visited.votes for visited in visits),
        **({"problems_of_others": others[:5]} if others else {}),
    }


def _lost(alone: Sequence[Stretch], full: Sequence[Stretch], phones: int) -> dict[str, int]:
    """What did not arrive; each is to be 0."""
    talks = [each.talk for each in (*alone, *full)]
    halls = [each.hall for each in full if each.hall is not None]
    accepted = sum(hall.accepted for hall in halls)
    return {
        "presenter_finals": score([Round((t.trace,), None) for t in talks])["lost_finals"],
        "phone_finals": score([hall.round for hall in halls])["lost_finals"],
        "wall_finals": sum(talk.wall_lost for talk in talks),
        "sends": sum(hall.unanswered for hall in halls),
        "tray": accepted - full[-1].talk.in_tray,
        "releases": sum(talk.release_lost for talk in talks),
        "phones": sum(phones - each.talk.phones for each in full),
    }


def _ratio(alone: Mapping[str, Any], full: Mapping[str, Any], name: str) -> float:
    return round(full[name]["p50"] / alone[name]["p50"], 2)


def _print(
    phones: int,
    painting: int,
    alone: Mapping[str, Any],
    full: Mapping[str, Any],
    hall: Mapping[str, Any],
) -> None:
    forms = {"server_cpu_share": ".2f", "desk_ms": ".1f", "wall_behind_ms": ".1f"}
    rows = []
    for name, label in FIGURES.items():
        form = forms.get(name, ".0f")
        rows.append([label, report.shown(alone[name], form), report.shown(full[name], form)])
    heads = ["the presenter", "alone", f"{phones} phones, {painting} paint"]
    print(report.table(heads, rows))
    print(f"phones, last key to final: {report.shown(hall['last_key_to_final_ms'])} ms")
    for side in (alone, full, hall):
        for problem in side.get("problems", ()):
            print(f"the server said: {problem}")
