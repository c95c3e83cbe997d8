"""Our server and its peers as programs of their own: started, typed at, suspended and ended.

A server that nobody types at is suspended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from types import FrameType
from typing import IO

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from ..errors import EngineUnavailable
from ..schemas import GETTING_FASTER
from .clients import OPEN_WITHIN, FetchPage, GradioPage, LivePage, Page

OURS = "lightning_demo"
PAGES: dict[str, type[Page]] = {
    OURS: LivePage,
    "always_last": GradioPage,
    "gradio_stream": GradioPage,
    "fifo": FetchPage,
}
PEERS = tuple(name for name in PAGES if name != OURS)
READY_WITHIN = 300.0  # seconds; our page is there before its model
FAST_WITHIN = 300.0
STEPS_METRIC = "lightning_steps_total"
CALLS_METRIC = "lightning_batch_rows_count"
REST = 0.5  # seconds in which a server that has finished takes no step
REST_WITHIN = 60.0  # seconds
MOST_FILES = 4096  # 200 browsers with six connections each, and more


def memory_mib(pid: int, what: str = "VmRSS") -> float | None:
    """The resident set of a process; None where the system does not tell.

    Args:
        what: "VmHWM" for the most that it ever was.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith(what))
    return int(kib) / 1024


class Server:
    """A running program that prints "Open URL" once it can be used."""

    def __init__(self, process: Popen[str], log: IO[str], name: str = "") -> None:
        self.name = name
        self.url = ""  # with a slash at its end; known once it is ready
        self._process, self._log = process, log

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def wait(self) -> None:
        """Waits until it can be used.

        Raises:
            RuntimeError: it ended before, with the end of what it wrote.
        """
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            if line.startswith("Open "):
                self.url = line.split()[1].rstrip("/") + "/"
                return
        self._log.seek(0)
        started = " ".join(map(str, self._process.args))  # type: ignore[arg-type]
        raise RuntimeError(f"{started} did not start:\n{self._log.read()[-2000:]}")

    def page(self, seed: int, num_inference_steps: int) -> Page:
        """One user's page."""
        return PAGES[self.name](self.url, seed, num_inference_steps)

    async def steps(self) -> int | None:
        """UNet steps that it has taken so far; None if it does not tell."""
        return await self.metric(STEPS_METRIC)

    async def metric(self, name: str) -> int | None:
        """A sum over all labels of what it has counted so far; None if it does not tell."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(self.url + "metrics", timeout=REST_WITHIN)
        if answer.status_code != httpx.codes.OK:
            return None
        lines = [line.split() for line in answer.text.splitlines() if line]
        found = [float(line[-1]) for line in lines if line[0].split("{")[0] == name]
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

    def memory_mib(self) -> float | None:
        """Its resident set; None where the system does not tell."""
        return memory_mib(self._process.pid)

    def descriptors(self) -> int | None:
        """Its open files and sockets; None where the system does not tell."""
        return self._count("fd")

    def threads(self) -> int | None:
        """Its threads; None where the system does not tell."""
        return self._count("task")

    def _count(self, what: str) -> int | None:
        try:
            return len(os.listdir(f"/proc/{self._process.pid}/{what}"))
        except OSError:
            return None

    def cpu_seconds(self) -> float | None:
        """What all its threads have computed so far; None where the system does not tell."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, AttributeError):
            return None

    def suspend(self) -> None:
        """Stops it where the system can: even idle, Gradio's queue takes time."""
        if os.name == "posix":
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it run again."""
        if os.name == "posix":
            self._process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Inside, a suspended server runs."""
        self.resume()
        try:
            yield
        finally:
            self.suspend()


@contextlib.contextmanager
def launch(arguments: Sequence[str], name: str = "") -> Iterator[Server]:
    """Starts a Python program, not yet ready, and ends it."""
    command = [sys.executable, *arguments]
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as pictures,
        tempfile.TemporaryFile("w+") as log,
        Popen(  # noqa: S603
            command,
            stdout=PIPE,
            stderr=log,
            text=True,
            env={
                **os.environ,
                "HF_HUB_OFFLINE": "1",
                "PYTHONUNBUFFERED": "1",
                "GRADIO_TEMP_DIR": pictures,  # Gradio keeps every picture that it shows
            },
        ) as process,
    ):
        server = Server(process, log, name)
        try:
            yield server
        finally:
            process.terminate()
            server.resume()


@contextlib.contextmanager
def serve_all(
    names: Sequence[str], num_inference_steps: int, threads: int, slower: int = 1
) -> Iterator[list[Server]]:
    """The servers of these names, ready and suspended; ours comes first.

    Args:
        slower: how many times as long their models take.
    """
    commands = {name: command(name, num_inference_steps, threads, slower) for name in names}
    with serve_commands(commands) as servers:
        yield servers


@contextlib.contextmanager
def serve_commands(commands: Mapping[str, Sequence[str]]) -> Iterator[list[Server]]:
    """Python programs that serve, by their names: ready and suspended; ours comes first."""
    allow_files(MOST_FILES)
    with contextlib.ExitStack() as stack:
        stack.enter_context(ended_in_order())
        servers: list[Server] = []
        # One after another: ours measures what its calls cost as it starts.
        for name, arguments in commands.items():
            server = stack.enter_context(launch(arguments, name))
            server.wait()
            if not servers:
                _wait_for_model(server.url)
            server.suspend()
            servers.append(server)
        yield servers


def wait_until_fast(server: Server) -> None:
    """Waits until ours is as fast as it will be: what it was asked for is compiled meanwhile.

    Raises:
        EngineUnavailable: it still says that it gets faster.
    """
    until = time.monotonic() + FAST_WITHIN
    address = f"{server.url}live".replace("http", "ws", 1)
    while time.monotonic() < until:
        try:
            with server.running(), connect(address) as socket:
                while (status := json.loads(socket.recv(timeout=OPEN_WITHIN)))["type"] != "status":
                    pass
                if not status["tier"].endswith(GETTING_FASTER):
                    return
                time.sleep(1)
        except (OSError, WebSocketException) as error:
            raise EngineUnavailable("the demo does not say how fast it is.") from error
    raise EngineUnavailable(f"the demo still gets faster after {FAST_WITHIN:g} seconds.")


def command(name: str, num_inference_steps: int, threads: int, slower: int = 1) -> list[str]:
    """How Python is asked for one of these servers; ours takes options of `serve` at the end."""
    if name == OURS:
        options = ["--model", "miniature", "--device", "cpu", "--threads", str(threads)]
        options += ["--max-sessions", "1000"]  # everybody is let in, as by the peers
        arguments = ["lightning_demo", "serve", *options, "--port", "0"]
    else:
        arguments = [f"lightning_demo.bench.peers.{name}", "0"]
        arguments += [str(threads), str(num_inference_steps)]
    if slower > 1:
        arguments = ["lightning_demo.bench.slowed", str(slower), *arguments]
    return ["-m", *arguments]


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Ends this process on SIGTERM as on an error: its servers would stay for ever."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def allow_files(wanted: int) -> None:
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
    # One: to make one takes as long as to load much.
    with httpx.Client(trust_env=False, timeout=REST_WITHIN) as http:
        while http.get(url + "readyz").status_code != httpx.codes.OK:
            if time.monotonic() > until:
                raise EngineUnavailable(
                    f"the demo did not load its model in {READY_WITHIN:g} seconds."
                )
            time.sleep(0.1)
