"""A process that the system refuses more memory: really, by a limit of its own."""

from __future__ import annotations

import json
import sys

import pytest

from ..processes import run


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit that a process keeps to")
def test_a_step_that_gets_no_memory_ends_its_picture_in_words_and_no_other() -> None:
    done = run([sys.executable, "-m", "tests.faults.limited_process"], timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout)
    for greedy in (said.pop("torch"), said.pop("numpy")):
        assert greedy.startswith("OutOfMemory: ") and "smaller size" in greedy
    assert said == {"before": "painted", "after torch": "painted", "after numpy": "painted"}
