"""`bench soak`: whether a server that works for long keeps its size.

People type at it, programs ask, an audience paints and looks on, lines break, requests are wrong,
too late or given up. Every few seconds the server's memory, open descriptors, threads and temporary
files are read; of each follows how it changes within an hour, once it is warm. And of what is
counted, not weighed: what is left when all have gone, more than was left when those who warmed it
up had gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.exceptions import WebSocketException

from . import report
from .clients import LivePage
from .servers import OURS, Server, command, serve_commands
from .soak_audience import Audience
from .typists import typist

STEPS = 4
PROGRAMS = 3
PHONES = 6
SAMPLES = 400  # at most, so every few seconds of half an hour
WARM_SHARE = 0.25  # of all the time, which does not count
VISIT_SECONDS = 20.0  # that somebody types before the page is opened anew
GIVEN_UP = 0.05  # seconds after which a program gives a picture up
REST_SECONDS = 3.0  # in which the server lets go of who has left
LOOK_SECONDS, LOOKS = 1.0, 20  # between two looks at whether it still does, and of those at most
FILES_MB = 4  # of pictures, so that the oldest go soon
COUNTED = ("descriptors", "threads", "files")
FIGURES = ("memory_mib", *COUNTED)

Sample = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench soak`."""
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="that it lasts, from 0.05 on (default: 30)"
    )
    parser.add_argument(
        "--users", type=report.whole(1, 200), default=16, help="who type, 1 to 200 (default: 16)"
    )
    parser.add_argument(
        "--phones",
        type=report.whole(0, 200),
        default=PHONES,
        help="of an audience, 0 to 200; every second one paints (default: 6)",
    )
    report.add_threads(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also keep the JSON as FILE")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the soak and prints it; returns the JSON document."""
    seconds = 60 * min(max(args.minutes, 0.05), 7 * 24 * 60)
    with temporary_folder() as folder:
        files = ["--files-dir", str(folder / "kept"), "--files-mb", str(FILES_MB)]
        arguments = [*command(OURS, STEPS, args.threads), *files]
        if args.phones:
            arguments += ["--stage", "--audience"]
        with serve_commands({OURS: arguments}) as (server,), server.running():
            soak = Soak(server, folder, args.users, args.phones)
            before = asyncio.run(soak.run(seconds * WARM_SHARE))
            soak.samples.clear()
            after = asyncio.run(soak.run(seconds * (1 - WARM_SHARE)))
    slopes = {name: slope(soak.samples, name) for name in FIGURES}
    left = {name: round(after[name] - before[name]) for name in COUNTED}
    print(_table(before, after, slopes))
    print(", ".join(f"{number} {name}" for name, number in sorted(soak.happened.items())))
    return {
        "benchmark": "soak",
        "minutes": round(seconds / 60, 3),
        "users": args.users,
        "phones": args.phones,
        "before": before,
        "after": after,
        "per_hour": slopes,
        "left": left,
        "happened": dict(soak.happened),
        "samples": soak.samples,
        "checks": [
            {"name": "pictures", "status": "pass" if soak.happened["pictures"] else "fail"},
            {"name": "no trouble", "status": "fail" if soak.happened["trouble"] else "pass"},
        ],
        "num_inference_steps": STEPS,
        "threads": args.threads,
        **report.environment(),
    }


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for all temporary files of the programs that are started meanwhile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = name
        try:
            yield Path(name)
        finally:
            os.environ.pop("TMPDIR")
            if before is not None:
                os.environ["TMPDIR"] = before


class Soak:
    """One server, whoever uses it, and what was seen of it."""

    def __init__(self, server: Server, folder: Path, users: int, phones: int) -> None:
        self._server, self._folder, self._users = server, folder, users
        self._phones = phones
        self.samples: list[Sample] = []
        self.happened: Counter[str] = Counter()
        self._visits = itertools.count()

    async def run(self, seconds: float) -> Sample:
        """All use it for so long, then leave; how large it is at rest."""
        self._end = time.perf_counter() + seconds
        users = [self._type(number) for number in range(self._users)]
        programs = [self._ask(number) for number in range(PROGRAMS)]
        audience = Audience(self._server.url, self.happened, STEPS, self._phones, VISIT_SECONDS)
        sampling = self._sample(max(1.0, seconds / SAMPLES))
        await asyncio.gather(*users, *programs, audience.run(self._end), sampling)
        await asyncio.sleep(REST_SECONDS)
        return await self._at_rest()

    async def _at_rest(self) -> Sample:
        """How large it is once it lets go of nothing more: a crowded machine takes its time."""
        found = self._look()
        for _ in range(LOOKS):
            before = found
            await asyncio.sleep(LOOK_SECONDS)
            found = self._look()
            if all(found[name] >= before[name] for name in COUNTED):
                break
        return found

    @property
    def _over(self) -> bool:
        return time.perf_counter() > self._end

    async def _sample(self, every: float) -> None:
        while not self._over:
            self.samples.append(self._look())
            await asyncio.sleep(every)

    def _look(self) -> Sample:
        server = self._server
        return {
            "seconds": round(time.perf_counter(), 1),
            "memory_mib": round(server.memory_mib() or 0.0, 2),
            "descriptors": server.descriptors() or 0,
            "threads": server.threads() or 0,
            "files": sum(path.is_file() for path in self._folder.rglob("*")),
        }

    async def _type(self, number: int) -> None:
        """Somebody who opens the page again and again; every third time the line breaks."""
        while not self._over:
            visit = next(self._visits)
            typed = typist(number, visit, VISIT_SECONDS)
            page = LivePage(self._server.url, typed.seed, STEPS)
            try:
                await page.open()
                await self._press(page, visit, typed.keys)
                if visit % 3 == 2:
                    page.break_off()
                    self.happened["lines broken"] += 1
            except (OSError, WebSocketException):
                self.happened["trouble"] += 1
            finally:
                await page.close()
            self.happened["pictures"] += sum(each.final for each in page.trace.pictures)
            self.happened["visits"] += 1

    async def _press(self, page: LivePage, visit: int, keys: Any) -> None:
        begun = time.perf_counter()
        for n, key in enumerate(keys):
            await asyncio.sleep(max(0.0, begun + key.at - time.perf_counter()))
            if self._over:
                return
            if n % 40 == 39:
                await page.say({"sequence": n, "request": {"prompt": "x", "steps": -1}})
                self.happened["errors"] += 1
            elif n % 40 == 19:
                await page.say({"pause": True})
                self.happened["pauses"] += 1
            await page.press(n, f"{key.text} {visit % 5}")

    async def _ask(self, number: int) -> None:
        """A program: pictures as files, mistakes, and pictures that are given up."""
        chance = random.Random(number)  # noqa: S311
        async with httpx.AsyncClient(base_url=self._server.url, trust_env=False) as http:
            while not self._over:
                body: dict[str, Any] = {"prompt": f"a boat {chance.randrange(10**6)}"}
                kind = chance.choice(("picture", "mistake", "given up"))
                if kind == "mistake":
                    body["width"] = "wide"
                patience = GIVEN_UP if kind == "given up" else 60.0
                headers = {"Accept": "application/json"}
                try:
                    answer = await http.post(
                        "v1/pictures", json=body, headers=headers, timeout=patience
                    )
                    self.happened[f"programs: {kind}"] += 1
                    self.happened["pictures"] += answer.is_success
                except httpx.TimeoutException:
                    self.happened[f"programs: {kind}"] += 1
                except httpx.HTTPError:
                    self.happened["trouble"] += 1
                await asyncio.sleep(chance.uniform(0.1, 0.6))


def slope(samples: list[Sample], name: str) -> float | None:
    """By how much a figure changes within an hour, by the straight line nearest to all samples."""
    if len(samples) < 3:
        return None
    hours = np.array([each["seconds"] for each in samples]) / 3600
    values = np.array([each[name] for each in samples])
    return round(float(np.polyfit(hours - hours.mean(), values, 1)[0]), 3)


def _table(before: Sample, after: Sample, slopes: dict[str, float | None]) -> str:
    rows = []
    for name in FIGURES:
        per_hour = slopes[name]
        share = None if per_hour is None or not before[name] else 100 * per_hour / before[name]
        figures = (before[name], after[name], per_hour, share)
        rows.append([name, *(report.shown(each, ".1f") for each in figures)])
    return report.table(["", "warm", "at the end", "an hour", "% an hour"], rows)
