"""The benchmarks run, small, and print what they promise. No figure decides a test."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lightning_demo.bench import live, orchestration
from lightning_demo.bench.typing_trace import Trace
from lightning_demo.cli import main


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_bench_live_types_at_both_servers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def short(number: int) -> Trace:
        return Trace(("a", "a c", "a cat"), seed=50 + number)

    monkeypatch.setattr(live, "trace", short)
    assert main(["bench", "live", "--seeds", "1"]) == 0
    result = last_line(capsys)
    for side in (result, result["baseline"]):
        for key in ("bare_generation_ms", "first_paint_ms", "last_key_to_final_ms"):
            assert 0 < side[key]["p50"] <= side[key]["p95"]
        assert side["last_key_to_final_ratio_p50"] > 0
        assert side["pictures_while_typing"] >= 0
    assert result["baseline"]["name"] == "always_last"
    assert result["speedup_first_paint_p50"] > 0
    assert result["speedup_last_key_to_final_p50"] > 0


def test_bench_engine_leaves_out_the_models(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(orchestration, "ROUNDS", 1)
    monkeypatch.setattr(orchestration, "ENGINE_CALLS", 5)
    assert main(["bench", "engine"]) == 0
    result = last_line(capsys)
    assert result["engine_cached_ms"] < result["engine_uncached_ms"] < result["pipe_ms"]
    assert result["speedup_cached"] > result["speedup_uncached"] > 1


def test_bench_together_paints_the_same_pictures_in_three_ways(
    capsys: pytest.CaptureFixture[str],
):
    assert main(["bench", "together", "--users", "2", "--rounds", "1"]) == 0
    result = last_line(capsys)
    assert set(result["pictures_per_second"]) == {"pipe", "one_by_one", "together"}
    assert min(result["pictures_per_second"].values()) > 0
    assert result["rows_in_a_call"] in (1, 2, 4, 8)
    assert result["speedup_vs_pipe"] > 0


def test_a_program_that_does_not_start_says_why():
    with (
        pytest.raises(RuntimeError, match="no_such_module"),
        live.program(["-m", "no_such_module"]),
    ):
        pass
