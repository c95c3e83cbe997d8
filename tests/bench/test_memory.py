"""`bench memory` in its smallest form; what a program of OpenVINO takes, it is there to measure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lightning_demo.bench import memory
from lightning_demo.bench.bench_model import miniature_sampler
from lightning_demo.bench.servers import memory_mib
from lightning_demo.cli import main

from .. import processes


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells")
def test_each_way_has_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(memory, "PROCESSES", processes.CONTEXT)
    assert main(["bench", "memory", "--num-inference-steps", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    for way in memory.WAYS:
        assert 100 < result[way]["resident_mib"] <= result[way]["most_mib"]
        assert result[way]["form"] == "eager"  # tests compile only where that is what they test
    more = result["compiled"]["resident_mib"] - result["torch"]["resident_mib"]
    assert result["more_mib"] == pytest.approx(more, abs=0.1)


def test_where_nobody_tells_what_a_process_takes_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(memory, "memory_mib", lambda *given: None)
    assert main(["bench", "memory"]) != 0
    assert "needs Linux" in capsys.readouterr().err


def test_a_process_that_is_not_there_takes_nothing_that_is_told():
    assert memory_mib(2**30) is None
    if Path("/proc/self/status").exists():
        now, most = memory_mib(os.getpid()), memory_mib(os.getpid(), "VmHWM")
        assert now is not None and most is not None and 0 < now <= most


def test_the_sampler_of_benches_can_be_had_without_programs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIGHTNING_COMPILE", "yes")
    sampler = miniature_sampler(compiles=False)
    assert (sampler.form, sampler.speed.compile) == ("eager", False)
