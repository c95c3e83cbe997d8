"""A server whose engine is in a process of its own, which is killed: the real miniature."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from ..processes import ForkedPopen
from ..web.conftest import Tab, connect

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds; only a failure waits that long
OPTIONS = [
    "--model",
    "miniature",
    "--device",
    "cpu",
    "--threads",
    "1",
    "--no-compile",
    "--no-ahead",
]


def engines(server: int) -> list[int]:
    """The processes that paint for it."""
    children = psutil.Process(server).children(recursive=True)
    return [child.pid for child in children if "engine_process" in " ".join(child.cmdline())]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.timeout(400)
def test_the_page_outlives_its_engine():
    command = [sys.executable, "app.py", "--port", "0", "--engine", "process", *OPTIONS]
    with ForkedPopen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+)/?\n", server.stdout.readline())
            assert found
            with connect(found[1].replace("http", "ws") + "/live") as connection:
                tab = Tab(connection)
                tab.ask(1, "a red house by the sea")
                first = tab.final(1)[-1]
                (pid,) = engines(server.pid)
                os.kill(pid, signal.SIGKILL)
                tab.ask(2, "a blue house by the sea")
                assert tab.final(2)[-1]["sequence"] == 2, "painted once another is there"
                (other,) = engines(server.pid)
                assert other != pid and first["data"]
            assert httpx.get(f"{found[1]}/readyz", timeout=60).status_code == 200
            server.send_signal(signal.SIGTERM)
            assert server.wait(PATIENCE) == 0
            end = time.monotonic() + PATIENCE
            while psutil.pid_exists(other) and time.monotonic() < end:
                time.sleep(0.05)
            assert not psutil.pid_exists(other), "nothing is left"
        finally:
            server.kill()
