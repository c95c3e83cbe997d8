"""Start and end of the server, as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

import pytest
from websockets.exceptions import ConnectionClosed

from lightning_demo.settings import Settings
from lightning_demo.web.server import serve

from .conftest import Tab, connect
from .fake_server import fake_server
from .fakes import FakeEngine


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_signal_lets_the_running_picture_finish() -> None:
    with fake_server(step_seconds=0.2, stderr=subprocess.PIPE) as (child, url):
        with connect(url.replace("http", "ws") + "/live") as connection:
            tab = Tab(connection)
            tab.ask(1)
            tab.until(lambda m: m["type"] == "frame")
            child.send_signal(signal.SIGTERM)
            tab.until(lambda m: m["type"] == "status" and m["draining"])
            tab.ask(2)
            received = tab.final(1)
            while not any(m["type"] == "error" for m in received):
                received.append(tab.receive())
            error = next(m for m in received if m["type"] == "error")
            assert error["sequence"] == 2 and "restarted" in error["message"]
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
