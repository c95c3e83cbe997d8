"""`bench chaos` in short: a real server and its real engines, one of which is killed."""

from __future__ import annotations

import json
import os

import psutil
import pytest

from lightning_demo.bench import app_server, chaos
from lightning_demo.bench.app_server import TITLE
from lightning_demo.bench.chaos import out_of_order
from lightning_demo.bench.score import Picture, Trace
from lightning_demo.cli import main


def test_frames_that_go_back_are_counted():
    steps = [(0, 1), (0, 4), (1, 2), (1, 1), (1, 4)]
    pictures = [Picture(0.0, key, step, 4, final=step == 4) for key, step in steps]
    assert out_of_order(Trace(pictures=pictures)) == 1


@pytest.mark.timeout(900)  # a crowded machine starts engines slowly
@pytest.mark.usefixtures("forked_servers")
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_every_picture_comes_while_engines_are_killed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chaos, "FIRST", 1.0)
    monkeypatch.setattr(chaos, "PATIENCE", 200.0)  # a busy machine loses nothing
    monkeypatch.setattr(app_server, "START_WITHIN", 600.0)
    pytest.importorskip("ray", reason="requirements-ray.txt is not installed")
    assert main(["bench", "chaos", "--seconds", "8", "--calm", "3", "--typists", "4"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["requests"] == found["answered"] > 0
    assert found["calm_requests"] == found["calm_answered"] > 0
    assert found["out_of_order"] == 0 and found["kills"] == 1
    left = [p for p in psutil.Process().children(recursive=True) if TITLE in p.name()]
    assert left == []
