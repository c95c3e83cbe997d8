"""Start and end of the server, as a process."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from lightning_demo.cli import main
from lightning_demo.ports import free_port
from lightning_demo.settings import Settings
from lightning_demo.web import server
from lightning_demo.web.server import serve

from ..processes import ForkedPopen
from .conftest import Running, Tab, connect
from .fake_server import fake_server, hold_at
from .fakes import FakeEngine


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_signal_lets_the_running_picture_finish() -> None:
    with fake_server(stderr=subprocess.PIPE) as (child, url):
        hold_at(child, 2)
        with connect(url.replace("http", "ws") + "/live") as connection:
            tab = Tab(connection)
            tab.ask(1)
            tab.until(lambda m: m["type"] == "frame")
            child.send_signal(signal.SIGTERM)
            tab.until(lambda m: m["type"] == "status" and m["draining"])
            tab.ask(2)
            error = tab.error()
            assert error["sequence"] == 2 and "restarted" in error["message"]
            hold_at(child, 0)
            tab.final(1)
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    tab.receive()
            assert caught.value.rcvd is not None and caught.value.rcvd.code == 1001
        assert child.wait(timeout=20) == 0
        assert child.stderr is not None
        assert "Traceback" not in child.stderr.read()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_an_idle_server_ends_at_once_and_cleanly() -> None:
    with fake_server(step_seconds=0) as (child, _):
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=20) == 0


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_signal_that_comes_many_times_at_once_is_one() -> None:
    """Programs pass on to a child what its terminal or group has sent it already."""
    with fake_server(step_seconds=0.2) as (child, url):
        with connect(url.replace("http", "ws") + "/live") as connection:
            tab = Tab(connection)
            tab.ask(1)
            tab.until(lambda m: m["type"] == "frame")
            for _ in range(5):
                child.send_signal(signal.SIGTERM)
                child.send_signal(signal.SIGINT)
            tab.final(1)
        assert child.wait(timeout=20) == 0


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_second_signal_ends_it_at_once() -> None:
    with fake_server() as (child, url):
        hold_at(child, 2)
        with connect(url.replace("http", "ws") + "/live") as connection:
            tab = Tab(connection)
            tab.ask(1)
            tab.until(lambda m: m["type"] == "frame")
            child.send_signal(signal.SIGTERM)
            tab.until(lambda m: m["type"] == "status" and m["draining"])
            while child.poll() is None:  # what comes within a second is an echo of the first
                child.send_signal(signal.SIGTERM)
                time.sleep(0.1)
        assert child.wait(timeout=20) == -signal.SIGTERM


def test_a_taken_port_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve(engine, Settings(port=port)) != 0
    error = capsys.readouterr().err
    assert error.startswith(f"error: port: 127.0.0.1:{port} cannot be used")
    assert "--port" in error and error.count("\n") == 1
    assert engine.closed


# Gradio leaves a socket open that has found the port taken.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_port_is_tried_where_any_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking for a free one and opening it, another program may have taken it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = iter([port])
        monkeypatch.setattr(
            server, "free_port", lambda host, port: next(found, None) or free_port(host, port)
        )
        running = Running(FakeEngine(), stage=True, audience=True)
        gc.collect()
        try:
            audiences = running.server._service.stage.audiences
            assert running.url == f"http://127.0.0.1:{audiences.port}" and audiences.port != port
            with running.socket() as tab:
                tab.ask(1)
                tab.final(1)
        finally:
            running.server.stop()


def test_whoever_starts_it_twice_is_told_where_it_runs(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(running.url.rpartition(":")[2])
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104
        assert main(["serve", "--host", host, "--port", str(port)]) == 2
        assert capsys.readouterr().err == (
            f"error: port: {host}:{port} is taken by this demo, which runs already at "
            f"http://127.0.0.1:{port}; choose another with --port, or --port 0 for any free one.\n"
        )


class Signals:
    """As much of the module `signal` as a system has."""

    SIG_DFL, SIG_IGN = signal.SIG_DFL, signal.SIG_IGN

    def __init__(self, ignored: Sequence[str] = (), **numbers: int) -> None:
        vars(self).update(numbers)
        self.raised: list[int] = []
        self.handlers: dict[int, Any] = {
            number: self.SIG_IGN if name in ignored else self.SIG_DFL
            for name, number in numbers.items()
        }

    def signal(self, number: int, handler: Any) -> Any:
        before, self.handlers[number] = self.handlers[number], handler
        return before

    def getsignal(self, number: int) -> Any:
        return self.handlers[number]

    def raise_signal(self, number: int) -> None:
        assert self.handlers[number] is self.SIG_DFL, "it ends the process"
        self.raised.append(number)


@pytest.mark.parametrize(
    "signals",
    [
        Signals(SIGINT=2, SIGTERM=15, SIGHUP=1),
        Signals(SIGINT=2, SIGTERM=15, SIGBREAK=21),  # Windows
        Signals(["SIGHUP"], SIGINT=2, SIGTERM=15, SIGHUP=1),  # nohup
    ],
    ids=["posix", "windows", "nohup"],
)
def test_what_each_system_ends_programs_with(
    signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "signal", signals)
    before = dict(signals.handlers)
    for number, handler in before.items():
        with server._signals() as asked:
            if handler is signals.SIG_IGN:
                assert signals.handlers[number] is signals.SIG_IGN, "it outlives its terminal"
                continue
            signals.handlers[number](number, None)
            signals.handlers[number](number, None)
            assert asked.get_nowait() == number and asked.empty(), "an echo is none of its own"
            monkeypatch.setattr(server, "SAME_SECONDS", -1.0)
            signals.handlers[number](number, None)
            assert signals.raised.pop() == number
            monkeypatch.undo()
            monkeypatch.setattr(server, "signal", signals)
    assert signals.handlers == before


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_it(number: int, tmp_path: Path) -> None:
    """No process, no socket, no temporary file; while it runs it has some of each."""
    with fake_server(0, stderr=subprocess.PIPE, TMPDIR=str(tmp_path)) as (child, url):
        painted = httpx.post(f"{url}/v1/pictures", json={"prompt": "a cat"}).json()
        assert httpx.get(painted["pictures"][0]["url"]).status_code == 200
        assert list(tmp_path.rglob("*.jpg"))
        children = [each.pid for each in psutil.Process(child.pid).children(recursive=True)]
        child.send_signal(number)
        assert child.wait(timeout=20) == 0
        assert not any(map(psutil.pid_exists, children))
        assert [each for each in tmp_path.rglob("*") if not each.is_dir()] == []
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")
        assert child.stderr is not None
        assert "Traceback" not in child.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a terminal of its own")
def test_closing_the_terminal_ends_it(tmp_path: Path) -> None:
    """A real one: what it writes has nowhere to go any more."""
    here, there = os.openpty()
    script = f"""
import fcntl, os, sys, termios
os.setsid()
terminal = os.open({os.ttyname(there)!r}, os.O_RDWR)
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
for number in (0, 1, 2):
    os.dup2(terminal, number)
os.close(terminal)
from tests.web.fake_server import main
sys.exit(main(0))
"""
    with ForkedPopen(
        [sys.executable, "-c", script],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as child:
        try:
            said = b""
            while not re.search(rb"Open http.*\n", said):  # a line may be written in two parts
                said += os.read(here, 4096)
            os.close(there)
            os.close(here)
            assert child.wait(timeout=20) == 0
            assert [each for each in tmp_path.rglob("*") if not each.is_dir()] == []
        finally:
            child.kill()
