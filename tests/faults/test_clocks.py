"""The calendar's clock may jump; nothing that waits is timed by it."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from lightning_demo.web.api import store as module
from lightning_demo.web.api.store import Store

PACKAGE = Path(__file__).parents[2] / "lightning_demo"
# When something was made, as others read it, and how old files are: both outlive the process.
WRITTEN_DOWN = {
    "model/compile/program_folder.py",
    "model/weights/single_file.py",
    "web/api/a1111_answers.py",
    "web/api/expiry.py",
    "web/api/jobs.py",
    "web/api/native.py",
    "web/api/openai.py",
    "web/api/store.py",
    "web/api/webhooks.py",
}


def asks_for_the_time_of_day(file: Path) -> bool:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in {("time", "time"), ("datetime", "now")}:
                return True
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            assert "time" not in {name.name for name in node.names}, file
    return False


def test_only_what_is_written_down_asks_for_the_time_of_day():
    found = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if asks_for_the_time_of_day(file)
    }
    assert found == WRITTEN_DOWN


def test_a_calendar_that_jumps_back_does_not_end_the_tidying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shift = {"calendar": 0.0, "clock": 0.0}
    calendar, clock = time.time, time.monotonic
    monkeypatch.setattr(module.time, "time", lambda: calendar() + shift["calendar"])
    monkeypatch.setattr(module.time, "monotonic", lambda: clock() + shift["clock"])
    store = Store(tmp_path, hours=1, megabytes=1)
    store.put_file(b"first", "image/png")  # sweeps, being the first
    shift["calendar"] -= 10 * 24 * 3600
    old = store.put_file(b"ten days ago", "image/png")
    shift["calendar"] += 2 * 3600
    shift["clock"] += module.SWEEP_SECONDS + 1
    store.put_file(b"new", "image/png")
    assert not (tmp_path / old).exists()
    store.close()
