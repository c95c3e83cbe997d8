"""What a server does whose engine has failed for good: said, then ended for a supervisor."""

from __future__ import annotations

import re
import subprocess
import sys

import httpx

from ..processes import ForkedPopen
from .conftest import Tab, connect

SCRIPT = """
import sys
from gradio.routes import App
from lightning_demo.settings import Settings
from lightning_demo.web.server import serve
from tests.web.fakes import FakeEngine

create = App.create_app  # as in conftest.py
App.create_app = staticmethod(lambda *a, **o: create(*a, **o) if "app_kwargs" in o else None)

def lost(request):
    engine.say(state="failed", detail="The device has stopped working.")

engine = FakeEngine()
engine.fault = lost
sys.exit(serve(engine, Settings(port=0)))
"""


def test_a_server_whose_engine_has_failed_says_so_and_ends_with_a_code() -> None:
    command = [sys.executable, "-c", SCRIPT]
    with ForkedPopen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None and child.stderr is not None
            url = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+)/\n", child.stdout.readline())[1]  # type: ignore[index]
            assert httpx.get(f"{url}/readyz").status_code == 200
            with connect(url.replace("http", "ws") + "/live") as connection:
                tab = Tab(connection)
                tab.ask(1)
                told = tab.until(lambda m: m["type"] == "status" and m["state"] == "failed")[-1]
                assert told["detail"] == "The device has stopped working."
                assert httpx.get(f"{url}/readyz").status_code == 503
                assert httpx.get(f"{url}/healthz").status_code == 200
                assert child.wait(timeout=20) == 1
            assert "error: The device has stopped working.\n" in child.stderr.read()
        finally:
            child.kill()
