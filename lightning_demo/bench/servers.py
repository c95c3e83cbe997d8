"""Our server and its peers as programs of their own, and what each one's users have open.

A server that nobody types at is suspended.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

import httpx

from ..errors import EngineUnavailable
from .clients import Failed, FetchPage, GradioPage, LivePage, Page, Shown
from .program import Program, launch
from .score import Round

OURS = "lightning_demo"
PAGES: dict[str, type[Page]] = {
    OURS: LivePage,
    "always_last": GradioPage,
    "gradio_stream": GradioPage,
    "fifo": FetchPage,
}
PEERS = tuple(name for name in PAGES if name != OURS)
READY_WITHIN = 300.0  # seconds; our page is there before its model
STEPS_METRIC = "lightning_steps_total"
REST = 0.5  # seconds in which a server that has finished takes no step
REST_WITHIN = 60.0  # seconds
MOST_FILES = 4096  # 200 browsers with six connections each, and more


@dataclass
class Server:
    """A running server and what was typed at it."""

    name: str
    program: Program
    num_inference_steps: int
    rounds: list[Round] = field(default_factory=list)

    def page(self, seed: int, shown: Shown, failed: Failed) -> Page:
        """One user's page."""
        page = PAGES[self.name]
        return page(self.program.url, seed, self.num_inference_steps, shown, failed)

    async def steps(self) -> int | None:
        """UNet steps that it has taken so far; None if it does not tell."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(self.program.url + "metrics", timeout=REST_WITHIN)
        if answer.status_code != httpx.codes.OK:
            return None
        lines = [line.split() for line in answer.text.splitlines() if line]
        found = [float(line[-1]) for line in lines if line[0].split("{")[0] == STEPS_METRIC]
        return int(sum(found)) if found else None

    async def steps_at_rest(self) -> int | None:
        """The same, once what was under way when the last page closed has ended."""
        until = time.perf_counter() + REST_WITHIN
        steps = await self.steps()
        while time.perf_counter() < until:
            await asyncio.sleep(REST)
            before, steps = steps, await self.steps()
            if before == steps:
                break
        return steps


@contextlib.contextmanager
def serve_all(
    names: Sequence[str], num_inference_steps: int, threads: int
) -> Iterator[list[Server]]:
    """The servers of these names, ready and suspended; ours comes first."""
    _allow_files(MOST_FILES)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_in_order())
        started = []
        for name in names:
            command = _command(name, num_inference_steps, threads)
            program = stack.enter_context(launch(command))
            started.append(Server(name, program, num_inference_steps))
        for server in started:
            server.program.wait()
        _wait_for_model(started[0].program.url)
        for server in started:
            server.program.suspend()
        yield started


def _command(name: str, num_inference_steps: int, threads: int) -> list[str]:
    if name != OURS:
        arguments = ["{port}", str(threads), str(num_inference_steps)]
        return ["-m", f"lightning_demo.bench.peers.{name}", *arguments]
    options = ["--model", "miniature", "--device", "cpu", "--threads", str(threads)]
    options += ["--max-sessions", "1000"]  # everybody is let in, as by the peers
    return ["-m", "lightning_demo", "serve", *options, "--port", "{port}"]


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Ends this process on SIGTERM as on an error: suspended servers would stay for ever."""

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
