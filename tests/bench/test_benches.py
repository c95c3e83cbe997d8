"""The benchmarks of the engine run, small, and keep their form. No figure decides a test."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import pytest

from lightning_demo.bench import HELP, batch, engine, together
from lightning_demo.bench.bench_model import picture
from lightning_demo.bench.random_sdxl import THIN, random_components
from lightning_demo.bench.servers import launch
from lightning_demo.cli import build_parser, main
from lightning_demo.engine.local import LocalEngine
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.schemas import GenerationRequest


@pytest.mark.parametrize("name", HELP)
def test_each_benchmark_declares_its_options(name: str, capsys: pytest.CaptureFixture[str]):
    assert callable(build_parser().parse_args(["bench", name]).run)
    with pytest.raises(SystemExit):
        main(["bench", name, "--help"])
    assert f"usage: python -m lightning_demo bench {name}" in capsys.readouterr().out


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_bench_engine_compares_with_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine, "ROUNDS", 1)
    monkeypatch.setattr(engine, "ENGINE_CALLS", 5)
    assert main(["bench", "engine"]) == 0
    result = last_line(capsys)
    for name in ("cached", "uncached"):
        ratio = result["pipe_ms"] / result[f"engine_{name}_ms"]
        assert result[f"speedup_{name}"] == pytest.approx(ratio, rel=0.1, abs=0.1)
    assert result["request_round_trip_ms"].keys() == {"p50", "p95"}


def test_stubbed_models_compute_nothing():
    components = random_components(THIN)
    engine.stub_models(components, 64)
    for prompt in ("a cat", "a red house"):
        sampler = Sampler(components)
        grey = picture(sampler, GenerationRequest(prompt, "", 4, 0.0, len(prompt), 64, 64))
        assert np.ptp(grey) == 0 and grey.shape == (64, 64, 3)


def test_bench_together_paints_the_same_pictures_in_three_ways(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(together, "PICTURES", 1)
    # Nothing is measured in quiet moments: that is most of what this would take.
    monkeypatch.setattr(together, "LocalEngine", partial(LocalEngine, idle_seconds=None))
    few = ["--users", "2", "--rounds", "1", "--num-inference-steps", "1"]
    assert main(["bench", "together", "--weights", "miniature", *few]) == 0
    result = last_line(capsys)
    rates = result["pictures_per_second"]
    assert set(rates) == {"pipe", "one_by_one", "together"}
    assert result["rows_in_a_call"] in (1, 2, 4, 8)
    assert result["speedup_vs_pipe"] == pytest.approx(rates["together"] / rates["pipe"], abs=0.01)


def test_bench_batch_paints_a_list_in_two_ways(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch, "QUIET", 0.0)
    monkeypatch.setattr(batch, "LocalEngine", partial(LocalEngine, idle_seconds=None))
    few = ["--pictures", "2", "--rounds", "1", "--num-inference-steps", "1"]
    assert main(["bench", "batch", "--weights", "miniature", *few]) == 0
    result = last_line(capsys)
    rates = result["pictures_per_hour"]
    assert set(rates) == {"loop", "batch"}
    ratio = rates["batch"] / rates["loop"]
    assert result["speedup_vs_loop"] == pytest.approx(ratio, abs=0.01)
    assert [check["status"] for check in result["checks"]] == ["pass"]


def test_a_program_that_does_not_start_says_why():
    with (
        launch(["-m", "no_such_module"]) as program,
        pytest.raises(RuntimeError, match="no_such_module"),
    ):
        program.wait()
