"""The end of a demo whose engine is elsewhere, as a terminal or a supervisor asks for it.

All of its processes are asked at once, and still what is being painted is finished, and nothing is
left: no process, no socket, no file.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from ..processes import ROOT, ForkedPopen
from ..web.conftest import Tab, connect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a terminal of its own")
PATIENCE = 100.0  # seconds; only a failure, or a crowded machine, takes so long
MARK = "TEST_OF_THE_END"  # a variable that all of its processes have


class Terminal:
    """The other end of the terminal: what somebody at it reads and types."""

    def __init__(self) -> None:
        self.here, self._there = os.openpty()
        self.name = os.ttyname(self._there)
        self.said = ""
        self._left = threading.Event()
        self._reader = threading.Thread(target=self._read)

    def url(self) -> str:
        """Waits for the address of the page; from then on what is said is read by itself."""
        while not (found := re.search(r"Open (http://\S+)/\s", self.said)):
            self.said += os.read(self.here, 4096).decode()
        self._reader.start()
        return found[1]

    @property
    def left(self) -> bool:
        """Whether it has been closed, or was never used."""
        return self._left.is_set() or not self._reader.ident

    def _read(self) -> None:
        while not self._left.is_set():
            if select.select([self.here], [], [], 0.05)[0]:
                try:
                    self.said += os.read(self.here, 4096).decode()
                except OSError:
                    return  # nobody is there any more

    def leave(self) -> None:
        """Closes it, as by the cross of a window; while it is read it would stay open."""
        self._left.set()
        self._reader.join()
        os.close(self.here)

    def let_go(self) -> None:
        """The program has it, and this process only its other end."""
        os.close(self._there)


def processes(mark: str) -> list[psutil.Process]:
    """All that a demo has started, whoever their parents are by now; a fork is not told itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@contextmanager
def demo(engine: str) -> Iterator[tuple[ForkedPopen, Terminal, Path]]:
    """A demo at a terminal, and the folder where all of it has its temporary files."""
    # Not pytest's folder: names of sockets are short.
    with tempfile.TemporaryDirectory(prefix="end") as folder:
        terminal = Terminal()
        command = [sys.executable, "-m", "tests.faults.served_elsewhere", terminal.name, engine]
        environment = {**os.environ, "TMPDIR": folder, MARK: folder, "PYTHONUNBUFFERED": "1"}
        quiet = subprocess.DEVNULL
        with ForkedPopen(command, stdout=quiet, stderr=quiet, env=environment) as child:
            try:
                yield child, terminal, Path(folder)
            finally:
                for process in processes(folder):
                    process.kill()
                child.kill()
                if not terminal.left:
                    terminal.leave()


def press_ctrl_c(child: ForkedPopen, terminal: Terminal) -> None:
    os.write(terminal.here, b"\x03")


def close(child: ForkedPopen, terminal: Terminal) -> None:
    terminal.leave()


def stop_all(child: ForkedPopen, terminal: Terminal) -> None:
    """As systemd does: every process of the service gets the signal."""
    for process in [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]:
        process.send_signal(signal.SIGTERM)


End = Callable[[ForkedPopen, Terminal], None]


def ends_in_order(engine: str, end: End, patience: float = PATIENCE) -> None:
    with demo(engine) as (child, terminal, folder):
        url = terminal.url()
        terminal.let_go()
        answer = httpx.post(f"{url}/v1/pictures", json={"prompt": "a cat"}, timeout=patience)
        assert answer.status_code == 200
        assert processes(str(folder))
        assert [path for path in folder.rglob("*") if path.suffix == ".jpg"]
        with connect(url.replace("http", "ws") + "/live") as connection:
            tab = Tab(connection)
            tab.ask(1, "a boat", num_inference_steps=8)
            tab.until(lambda m: m["type"] == "frame")
            end(child, terminal)
            assert tab.final(1), "what is being painted is finished"
        assert child.wait(PATIENCE) == 0
        until = time.monotonic() + PATIENCE
        while left := processes(str(folder)):
            assert time.monotonic() < until, left
            time.sleep(0.05)
        assert [path for path in folder.rglob("*") if not path.is_dir()] == []
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")
    assert "Traceback" not in terminal.said, terminal.said
    assert "has ended" not in terminal.said, "who paints outlives what it paints"


@pytest.mark.parametrize("end", [press_ctrl_c, close, stop_all], ids=lambda end: end.__name__)
def test_with_an_engine_in_a_process_nothing_is_left(end: End) -> None:
    ends_in_order("process", end)


def test_who_compiles_beside_an_engine_in_a_process_can_be_ended() -> None:
    """What a process ignores, those that it starts ignore, too."""
    command = [sys.executable, "-m", "tests.engine.painting_process", "colours"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT) as engine:  # noqa: S603
        assert engine.stdin is not None and engine.stdout is not None
        engine.stdin.write(b"any\n")
        engine.stdin.flush()
        assert engine.stdout.readline().startswith(b"http")
        status = Path(f"/proc/{engine.pid}/status").read_text()
        found = re.search(r"^SigIgn:\s*([0-9a-f]+)$", status, re.MULTILINE)
        assert found and not int(found[1], 16) >> (signal.SIGTERM - 1) & 1
        engine.send_signal(signal.SIGTERM)
        engine.stdin.close()
        assert engine.wait(PATIENCE) == 0, "it ends with its standard input, and not before"


@pytest.mark.timeout(700)
def test_with_engines_of_ray_nothing_is_left() -> None:
    """Ctrl-C, which the terminal sends to Ray's own processes as well."""
    pytest.importorskip("ray", reason="requirements-ray.txt is not installed")
    ends_in_order("ray", press_ctrl_c, patience=400)  # a crowded machine starts engines slowly
