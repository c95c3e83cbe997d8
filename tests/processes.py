"""Python programs that are there at once: forked from a process that has imported everything.

That process is a fork of the one that runs the tests, as it is before the first of them.

A fresh interpreter imports torch and Gradio first, which takes a core more than ten seconds. Two
tests start one all the same, because that is what people run, or because what is imported matters:
`test_main_job.py` and `test_imports.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, arbitrary_address
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parents[1]
FORKS = sys.platform == "linux"  # elsewhere libraries may not outlive a fork
CONTEXT: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")


def prepare() -> None:
    """Forks this process, which has imported what its tests need, into one that will be forked.

    Once, and before any test: a fork has none of the threads that tests start. `multiprocessing`
    would start a fresh interpreter for it, and has no public way to bring one's own.
    """
    if not FORKS:
        return
    resource_tracker.ensure_running()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address := arbitrary_address("AF_UNIX"))
    listener.listen()
    gone, here = os.pipe()  # it ends when this process has
    with warnings.catch_warnings():  # of threads: those of pytest-xdist hold nothing of ours
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(here)
        _wait_to_be_forked(listener, gone)
    listener.close()
    os.close(gone)
    server: Any = forkserver._forkserver  # type: ignore[attr-defined]
    server._forkserver_address, server._forkserver_alive_fd = address, here
    server._forkserver_pid = pid


def _wait_to_be_forked(listener: socket.socket, gone: int) -> NoReturn:
    try:
        ready, _, _ = select.select([listener, gone], [], [])
        if listener not in ready:
            os._exit(0)  # nobody has asked for a program
        # Not pytest's: what is forked has output of its own, or none, and the usual warnings.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nowhere, number)
        os.chdir(ROOT)
        os.environ["HF_HUB_OFFLINE"] = "1"
        if hub := sys.modules.get("huggingface_hub.constants"):
            hub.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
        forkserver.main(listener.detach(), gone, ["tests.preloaded"])
    finally:
        os._exit(0)


class ForkedPopen:
    """As much of `subprocess.Popen` as tests need, for `[python, file or -c or -m, ...]`.

    `env` is added to the variables of the process that is forked.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        stdin: int | None = None,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        text: bool = True,
    ) -> None:
        self.args = args
        self.stdin, given = _input(stdin)
        self.stdout, out = _stream(stdout)
        self.stderr, err = _stream(stderr)
        ends = (given, out, err)
        what = (list(args[1:]), dict(os.environ if env is None else env), cwd, ends)
        self._process = CONTEXT.Process(target=_run, args=what)
        self._process.start()
        self.pid: int = self._process.pid
        for end in ends:
            end.close()

    def __enter__(self) -> ForkedPopen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended; nobody has been told yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    args: Sequence[str],
    *,
    timeout: float | None = None,
    check: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    capture_output: bool = True,
    text: bool = True,
) -> subprocess.CompletedProcess[str]:
    """As much of `subprocess.run` as tests need, for what `ForkedPopen` takes."""
    assert capture_output and text
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = ForkedPopen(args, stdout=out, stderr=err, env=env, cwd=cwd)
        try:
            code = child.wait(timeout)
        finally:
            child.kill()
        for stream in (out, err):
            stream.seek(0)
        done = subprocess.CompletedProcess(args, code, out.read(), err.read())
    if check:
        done.check_returncode()
    return done


def _input(asked: int | None) -> tuple[IO[str] | None, Connection]:
    """What this process writes to the child, and the child's end of it."""
    if asked is None:
        return None, Connection(os.open(os.devnull, os.O_RDONLY), writable=False)
    assert asked == subprocess.PIPE
    there, here = os.pipe()
    return os.fdopen(here, "w"), Connection(there, writable=False)


def _stream(asked: IO[Any] | int | None) -> tuple[IO[str] | None, Connection]:
    """What this process reads of a stream, and the child's end of it; by itself it has none."""
    if asked == subprocess.PIPE:
        here, there = os.pipe()
        return os.fdopen(here), Connection(there, readable=False)
    if asked in (None, subprocess.DEVNULL):
        return None, Connection(os.open(os.devnull, os.O_WRONLY), readable=False)
    assert asked is not None and not isinstance(asked, int)
    return None, Connection(os.dup(asked.fileno()), readable=False)


def _run(
    args: list[str], environment: dict[str, str], folder: Path, ends: Sequence[Connection]
) -> None:
    """The child: what Python does with a command line."""
    os.chdir(folder)
    os.environ.update(environment)
    for number, stream in enumerate(ends):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing has closed the one before
    what, *rest = args
    if what in ("-c", "-m"):
        code, *rest = rest
    sys.argv = [what, *rest]
    if what == "-m":
        runpy.run_module(code, run_name="__main__", alter_sys=True)
    elif what == "-c":
        exec(code, {"__name__": "__main__"})  # noqa: S102
    else:
        runpy.run_path(what, run_name="__main__")
