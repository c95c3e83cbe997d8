"""Programs that a benchmark measures: started, waited for, suspended, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..web.server import free_port


class Program:
    """A running Python program that prints "Open URL" once it can be used."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process, self._log = process, log
        self.url = ""  # with a slash at its end; known once it is ready

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
        command = " ".join(map(str, self._process.args))  # type: ignore[arg-type]
        raise RuntimeError(f"{command} did not start:\n{self._log.read()[-2000:]}")

    def memory_mib(self) -> float | None:
        """Its resident set; None where the system does not tell."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return None
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kib) / 1024

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
        """Inside, a suspended program runs."""
        self.resume()
        try:
            yield
        finally:
            self.suspend()


@contextlib.contextmanager
def launch(arguments: list[str]) -> Iterator[Program]:
    """Starts a Python program, not yet ready, and ends it; "{port}" becomes a free port."""
    port = str(free_port("127.0.0.1", 0))
    command = [sys.executable, *(part.replace("{port}", port) for part in arguments)]
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as pictures,
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(  # noqa: S603
            command,
            stdout=subprocess.PIPE,
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
        running = Program(process, log)
        try:
            yield running
        finally:
            process.terminate()
            running.resume()
