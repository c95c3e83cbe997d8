"""A server with a fake engine, as a process of its own that a test may stop or kill."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lightning_demo.settings import Settings
from lightning_demo.web.server import serve

from ..processes import ForkedPopen
from .conftest import one_application
from .fakes import FakeEngine

ANY = -1  # as many as the system lets it have
HEARD = "held\n"


@contextmanager
def fake_server(
    step_seconds: float = 0.005,
    port: int = 0,
    *,
    files: int = ANY,
    stderr: int = subprocess.DEVNULL,
    **variables: str,
) -> Iterator[tuple[ForkedPopen, str]]:
    """A server and its address, http://127.0.0.1:1234.

    Args:
        step_seconds: that each step of the engine takes.
        port: to listen on; 0: any that is free.
        files: descriptors that it may have open, on Linux.
        stderr: where its log goes, as for `subprocess.Popen`.
        variables: of its environment, beside those of this process.
    """
    command = [sys.executable, "-m", __name__, str(step_seconds), str(port), str(files)]
    environment = {**os.environ, **variables}
    pipe = subprocess.PIPE
    with ForkedPopen(command, stdin=pipe, stdout=pipe, stderr=stderr, env=environment) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+)/\n", line)
            assert found, line
            yield child, found[1]
        finally:
            if hasattr(signal, "SIGCONT"):
                child.send_signal(signal.SIGCONT)  # one that is stopped does not end
            child.kill()


def hold_at(child: ForkedPopen, steps: int) -> None:
    """The engine holds at the step of this number, counted from now; 0: what is held goes on."""
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(str(steps))
    child.stdin.flush()
    assert child.stdout.readline() == HEARD


def main(step_seconds: float, port: int = 0, files: int = ANY) -> int:
    """The process; returns its exit code."""
    if files != ANY:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    for name in ("SIGINT", "SIGHUP"):  # which whoever runs the tests may ignore, as `nohup` does
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    tempfile.tempdir = None  # known already in what this is a fork of
    logging.basicConfig(level=logging.INFO)
    engine = FakeEngine(step_seconds=step_seconds)
    threading.Thread(target=_obey, args=[engine], daemon=True).start()
    with one_application():
        return serve(engine, Settings(port=port))


def _obey(engine: FakeEngine) -> None:
    """See `hold_at`; each is one byte of standard input, which may be a terminal that goes."""
    with suppress(OSError):
        while told := os.read(0, 1):
            if steps := int(told):
                engine.hold_at(steps)
            else:
                engine.release()
            os.write(1, HEARD.encode())


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
