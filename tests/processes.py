"""Python programs that are there at once: forked from a process that has imported everything.

A fresh interpreter imports torch and Gradio first, which takes a core more than ten seconds. A few
tests start one all the same, because that is what people run: `test_main_job.py`, `test_cli.py` and
`test_generate.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[1]
FORKS = sys.platform == "linux"  # elsewhere libraries may not outlive a fork
# All that takes long to import, and starts no thread (a fork would lose it).
PRELOADED = [
    "lightning_demo.cli",
    "lightning_demo.engine.build",
    "lightning_demo.model.loading",
    "lightning_demo.model.sampling.sampler",
    "lightning_demo.web.server",
    "tests.web.fakes",
]
CONTEXT: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")


def prepare() -> None:
    """Starts the process that is forked, unless it runs; no test's folder or variables reach it."""
    if FORKS:
        CONTEXT.set_forkserver_preload(PRELOADED)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            patch.setenv("HF_HUB_OFFLINE", "1")
            forkserver.ensure_running()


class ForkedPopen:
    """As much of `subprocess.Popen` as tests need, for `[python, file or -c or -m, ...]`.

    `env` is added to the variables of the process that is forked.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        text: bool = True,
    ) -> None:
        prepare()
        self.args = args
        self.stdout, out = _stream(stdout)
        self.stderr, err = _stream(stderr)
        what = (list(args[1:]), dict(os.environ if env is None else env), cwd, out, err)
        self._process = CONTEXT.Process(target=_run, args=what)
        self._process.start()
        self.pid: int = self._process.pid
        for end in (out, err):
            end.close()

    def __enter__(self) -> ForkedPopen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _stream(asked: IO[Any] | int | None) -> tuple[IO[str] | None, Connection]:
    """What this process reads of a stream, and the child's end of it."""
    if asked == subprocess.PIPE:
        here, there = os.pipe()
        return os.fdopen(here), Connection(there, readable=False)
    if asked == subprocess.DEVNULL:
        return None, Connection(os.open(os.devnull, os.O_WRONLY), readable=False)
    assert asked is not None and not isinstance(asked, int)
    return None, Connection(os.dup(asked.fileno()), readable=False)


def _run(
    args: list[str], environment: dict[str, str], folder: Path, out: Connection, err: Connection
) -> None:
    """The child: what Python does with a command line."""
    os.chdir(folder)
    os.environ.update(environment)
    for number, stream in ((1, out), (2, err)):
        os.dup2(stream.fileno(), number)
        stream.close()
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
