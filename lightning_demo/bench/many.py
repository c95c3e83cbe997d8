"""`bench many`: many people typing at one server, beside the usual ways to build it.

Each server runs as a program of its own and is typed at over real sockets, one after the other in
each round, by the same typists; all users of one are tasks of this one process. Servers that are
not being typed at are held still.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import httpx

from ..errors import EngineUnavailable
from .clients import Client, FetchPage, GradioPage, LivePage
from .curves import draw_curves
from .many_score import PATIENCE, Picture, Press, Round, Visit, score
from .many_tables import curves, table_of
from .program import Program, launch
from .report import environment
from .typists import Typist, typist

OURS = "lightning_demo"
Page: TypeAlias = type[LivePage] | type[GradioPage] | type[FetchPage]
PAGES: dict[str, Page] = {
    OURS: LivePage,
    "always_last": GradioPage,
    "gradio_stream": GradioPage,
    "fifo": FetchPage,
}
PEERS = tuple(name for name in PAGES if name != OURS)
READY_WITHIN = 300.0  # seconds; our page is there before its model
STEPS_METRIC = "lightning_steps_total"
WARM_UP_USERS, WARM_UP_SECONDS = 8, 0.5
MOST_FILES = 4096  # 200 browsers with six connections each, and more
REST = 0.5  # seconds in which a server that has finished takes no step
REST_WITHIN = 60.0  # seconds


@dataclass(frozen=True)
class Plan:
    """What to run; the command line has checked it."""

    users: tuple[int, ...]
    seconds: float = 16.0  # of typing
    rounds: int = 1
    peers: tuple[str, ...] = PEERS
    num_inference_steps: int = 4
    threads: int = 1  # of each server


@dataclass
class Side:
    """One server and the page its users have open."""

    name: str
    program: Program
    page: Page
    num_inference_steps: int
    rounds: list[Round] = field(default_factory=list)


def bench_many(plan: Plan) -> dict[str, Any]:
    """Runs the benchmark and prints its tables; returns the JSON document.

    It is that of the most users, with those of all numbers of users as `runs` if there are several.
    """
    _allow_files(MOST_FILES)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_in_order())
        sides = [
            Side(
                name,
                stack.enter_context(launch(_command(name, plan))),
                PAGES[name],
                plan.num_inference_steps,
            )
            for name in (OURS, *plan.peers)
        ]
        for side in sides:
            side.program.wait()
        _wait_for_model(sides[0].program.url)
        for side in sides:
            side.program.hold()
        _warm_up(sides, min(WARM_UP_USERS, max(plan.users)), plan)
        runs = [_run(sides, users, plan) for users in sorted(set(plan.users))]
    last = {"benchmark": "many", **runs[-1]}
    if len(runs) > 1:
        last["runs"] = runs
    settings = {
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "num_inference_steps": plan.num_inference_steps,
        "threads": plan.threads,
        "patience_seconds": PATIENCE,
    }
    return {**last, **settings, **environment()}


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Ends this process on SIGTERM as on an error: servers that are held would stay for ever."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _allow_files(wanted: int) -> None:
    """Raises the number of open files and sockets that this process and its servers may have."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _wait_for_model(url: str) -> None:
    until = time.monotonic() + READY_WITHIN
    while httpx.get(url + "readyz", trust_env=False).status_code != httpx.codes.OK:
        if time.monotonic() > until:
            raise EngineUnavailable(f"the demo did not load its model in {READY_WITHIN:g} seconds.")
        time.sleep(0.1)


def _command(name: str, plan: Plan) -> list[str]:
    if name != OURS:
        arguments = ["{port}", str(plan.threads), str(plan.num_inference_steps)]
        return ["-m", f"lightning_demo.bench.peers.{name}", *arguments]
    options = ["--model", "miniature", "--device", "cpu", "--threads", str(plan.threads)]
    options += ["--max-sessions", "1000"]  # everybody is let in, as by the peers
    return ["-m", "lightning_demo", "serve", *options, "--port", "{port}"]


def _warm_up(sides: Sequence[Side], users: int, plan: Plan) -> None:
    """Types a few keys at each, with texts and seeds that do not come again."""
    _type_at(sides, [typist(user, plan.rounds, WARM_UP_SECONDS) for user in range(users)])
    for side in sides:
        figures = score(side.rounds)
        if figures["lost_finals"]:
            said = "; ".join(figures.get("problems", ["it said nothing"]))
            raise EngineUnavailable(f"{side.name} gave no finished picture: {said}")


def _run(sides: Sequence[Side], users: int, plan: Plan) -> dict[str, Any]:
    """All sides with so many users, in turns."""
    before = [side.program.memory_mib() for side in sides]
    for side in sides:
        side.rounds = []
    for number in range(plan.rounds):
        typing = [typist(user, number, plan.seconds) for user in range(users)]
        _type_at(sides, typing)
    figures = {}
    for side, began in zip(sides, before, strict=True):
        ended = side.program.memory_mib()
        growth = None if began is None or ended is None else round(ended - began, 1)
        figures[side.name] = {**score(side.rounds), "memory_growth_mib": growth}
    print(table_of(figures), flush=True)
    ours = figures.pop(OURS)
    result = {**ours, "peers": figures}
    if figures:
        best = min(peer["last_key_to_final_ms"]["p95"] for peer in figures.values())
        ratio = best / ours["last_key_to_final_ms"]["p95"]
        result["speedup_p95_vs_best_peer"] = round(ratio, 2)
    return result


def _type_at(sides: Sequence[Side], typing: Sequence[Typist]) -> None:
    for side in sides:
        with side.program.running():
            side.rounds.append(asyncio.run(_round(side, typing)))
        print(f"{side.name}: {len(typing)} users typed", flush=True)


async def _round(side: Side, typing: Sequence[Typist]) -> Round:
    url = side.program.url
    before = await executed_steps(url)
    visits = [Visit() for _ in typing]
    ends = [asyncio.Event() for _ in typing]
    pages = [
        _open(side, each, visit, end) for each, visit, end in zip(typing, visits, ends, strict=True)
    ]
    try:
        await asyncio.gather(*(page.open() for page in pages))
        begun, busy = time.perf_counter(), time.process_time()
        users = zip(pages, typing, visits, ends, strict=True)
        await asyncio.gather(*(_type(*user, begun) for user in users))
        took, busy = time.perf_counter() - begun, time.process_time() - busy
    finally:
        # Nobody leaves before all have what they want, or have given up.
        await asyncio.gather(*(page.close() for page in pages))
    after = await _steps_at_rest(url)
    steps = None if before is None or after is None else after - before
    return Round(tuple(visits), steps, busy / took)


def _open(side: Side, typing: Typist, visit: Visit, end: asyncio.Event) -> Client:
    last = len(typing.keys) - 1

    def shown(key: int, step: int, steps: int, final: bool, painted: bool) -> None:
        now = time.perf_counter()
        visit.pictures.append(Picture(now, key, step, steps, final, painted))
        if final and key == last:
            end.set()

    problems = visit.problems.append
    return side.page(side.program.url, typing.seed, side.num_inference_steps, shown, problems)


async def _type(
    page: Client, typing: Typist, visit: Visit, end: asyncio.Event, begun: float
) -> None:
    """One user: types by the clock, whatever comes back, then waits for the last picture."""
    for number, key in enumerate(typing.keys):
        due = begun + key.at
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        visit.presses.append(Press(due, key.waits, time.perf_counter()))
        await page.press(number, key.text)
    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
        await asyncio.wait_for(end.wait(), PATIENCE)
    visit.ended = time.perf_counter()


async def executed_steps(url: str) -> int | None:
    """UNet steps that a server has taken so far; None if it does not tell."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(url + "metrics", timeout=PATIENCE)
    if answer.status_code != httpx.codes.OK:
        return None
    lines = [line.split() for line in answer.text.splitlines()]
    found = [float(line[-1]) for line in lines if line and line[0].split("{")[0] == STEPS_METRIC]
    return int(sum(found)) if found else None


async def _steps_at_rest(url: str) -> int | None:
    """The same, once what was under way when the last page closed has ended."""
    until = time.perf_counter() + REST_WITHIN
    steps = await executed_steps(url)
    while time.perf_counter() < until:
        await asyncio.sleep(REST)
        before, steps = steps, await executed_steps(url)
        if before == steps:
            break
    return steps


def plot(path: Path, result: dict[str, Any]) -> None:
    """Draws how long users wait, over their number; the file's ending says how."""
    title = f"Many typists: {result['num_inference_steps']} steps, miniature, {result['machine']}"
    waiting = "last key to finished picture, p95, ms"
    found = curves(result.get("runs", [result]), OURS)
    draw_curves(path, title, "people typing at once", waiting, found)
