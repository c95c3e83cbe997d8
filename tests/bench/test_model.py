"""`bench model` runs, small, and keeps its promises of form. No figure decides a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lightning_demo.bench import model as bench
from lightning_demo.bench.ablation import ablation
from lightning_demo.bench.model_tables import bars, progressive
from lightning_demo.bench.timing import Clock, problems
from lightning_demo.cli import main
from lightning_demo.model.compile.speed import Speed

SMALL = ["--rounds", "1", "--threads", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    """A thin SDXL at two step counts, once."""
    out, plot = folder / "model.json", folder / "model.png"
    arguments = ["bench", "model", "--weights", "thin", "--steps", "1", "2", "--batches", "1", "2"]
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *words, **options: lines.append(" ".join(words)))
        assert main([*arguments, *SMALL, "--out", str(out), "--plot", str(plot)]) == 0
    found = json.loads(lines[-1])
    found["printed"] = "\n".join(lines)
    return found


def test_the_document_belongs_to_its_machine(result: dict[str, Any], folder: Path):
    assert result["benchmark"] == "model" and result["weights"] == "thin"
    assert {"machine", "python", "packages", "commit", "threads", "rounds"} <= result.keys()
    kept = json.loads((folder / "model.json").read_text())
    assert kept == {name: value for name, value in result.items() if name != "printed"}


def test_every_stage_stands_beside_the_pipeline(result: dict[str, Any]):
    assert [stage["name"] for stage in result["stages"]] == [
        "our sampler",
        "+ keys and values once",
    ]
    for stage in result["stages"]:
        assert stage["problems"] == [] and "error" not in stage
        for times in stage["steps"].values():
            for name in ("pipe_ms", "full_decoder_ms", "preview_decoder_ms"):
                assert 0 < times[name]["p50"] <= times[name]["p95"]


def test_the_pictures_are_the_pipelines(result: dict[str, Any]):
    for stage in result["stages"]:
        assert max(stage["max_pixel_difference"].values()) <= 1, stage["name"]


def test_a_tier_is_measured_in_all_its_parts(result: dict[str, Any]):
    (tier,) = [stage for stage in result["stages"] if stage["tier"]]
    assert tier["tier"] == "eager"
    assert tier["steps"].keys() == {"1", "2"}
    assert tier["parts_ms"].keys() == {
        "unet_step",
        "full_decoder",
        "preview_decoder",
        "prompt",
        "first_paint",
    }
    assert tier["batches"].keys() == {"1", "2"}
    assert all(found["images_per_second"] > 0 for found in tier["batches"].values())
    assert tier["peak_mb"] > 0
    assert result["switching"]["in_place_ms"] > 0


def test_the_tables_and_the_plot_show_it(result: dict[str, Any], folder: Path):
    assert "pixels differ by" in result["printed"] and "images/s" in result["printed"]
    assert progressive(result) in result["printed"]
    title, shown = bars(result)
    assert "2 steps, 64 x 64, thin" in title
    assert [bar.peer for bar in shown] == [True, False, False, False]
    with Image.open(folder / "model.png") as image:
        assert image.format == "PNG"


def test_a_stage_that_fails_is_told_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    right = bench.difference

    def wrong(sampler: Any, *others: Any) -> int:
        if not sampler._speed.cross_attention_cache:
            raise RuntimeError("out of luck")
        return right(sampler, *others)

    monkeypatch.setattr(bench, "difference", wrong)
    arguments = ["bench", "model", "--weights", "miniature", "--steps", "1", "--batches"]
    assert main([*arguments, *SMALL]) == 1
    lines = capsys.readouterr().out.splitlines()
    first, second = json.loads(lines[-1])["stages"]
    assert first["error"] == "RuntimeError: out of luck" and "error" not in second
    assert any("failed" in line for line in lines)


@pytest.mark.parametrize(
    "wrong", [["--steps", "3"], ["--rounds", "0"], ["--weights", "huge"], ["--batches", "-1"]]
)
def test_options_are_checked(wrong: list[str]):
    with pytest.raises(SystemExit) as error:
        main(["bench", "model", *wrong])
    assert error.value.code == 2


def test_stages_switch_on_one_thing_after_another():
    everything = ablation(
        Speed(
            compile=True,
            cuda_graphs=True,
            channels_last=True,
            cudnn_attention=True,
            cudnn_benchmark=True,
        )
    )
    assert [(stage.name, stage.tier) for stage in everything] == [
        ("our sampler", ""),
        ("+ keys and values once", ""),
        ("+ channels last", ""),
        ("+ cuDNN attention", "eager"),
        ("+ CUDA graphs", ""),
        ("+ cuDNN benchmark", "recorded"),
        ("+ compiled", "compiled"),
    ]
    assert everything[-1].speed == Speed(
        compile=True,
        cuda_graphs=True,
        channels_last=True,
        cudnn_attention=True,
        cudnn_benchmark=True,
    )
    (only,) = ablation(Speed(cross_attention_cache=False))
    assert only.tier == "eager"


def test_calls_are_taken_in_turns_and_the_first_does_not_count():
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    times = Clock(torch.device("cpu")).side_by_side(calls, 2)
    assert order == ["a", "b"] * 3
    assert all(len(values) == 2 for values in times.values())


def test_what_the_model_logs_is_a_problem(caplog: pytest.LogCaptureFixture):
    import logging

    log = logging.getLogger("lightning_demo.model.compile.compiled_functions")
    with problems() as found:
        log.info("fine")
        try:
            raise RuntimeError("no compiler")
        except RuntimeError:
            log.exception("a lesson could not be learned")
    log.warning("later")
    assert found == ["a lesson could not be learned (RuntimeError: no compiler)"]
