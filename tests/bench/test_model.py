"""`bench model` runs, small, and keeps its promises of form. No figure decides a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_demo.bench import ablation as ablation_module
from lightning_demo.bench import model as bench
from lightning_demo.bench.ablation import Ablation, ablation
from lightning_demo.bench.bench_model import load_bench_model, picture
from lightning_demo.bench.component_timing import time_decode_stream
from lightning_demo.bench.model_tables import bars, print_tables, progressive
from lightning_demo.bench.timing import Clock, problems
from lightning_demo.cli import main
from lightning_demo.model.compile.speed import Speed
from lightning_demo.model.sampling.sampler import Sampler

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


EVERYTHING = Speed(
    compile=True,
    cuda_graphs=True,
    channels_last=True,
    cudnn_attention=True,
    cudnn_benchmark=True,
    fp16_accumulation=True,
    decode_stream=True,
    fp8=True,
)


def test_stages_switch_on_one_thing_after_another():
    everything = ablation(EVERYTHING)
    assert [(stage.name, stage.form, stage.tier) for stage in everything] == [
        ("our sampler", None, ""),
        ("+ keys and values once", None, ""),
        ("+ channels last", None, ""),
        ("+ cuDNN attention", None, ""),
        ("+ sums in half precision", None, "eager"),
        ("+ CUDA graphs", "recorded", ""),
        ("+ cuDNN benchmark", "recorded", ""),
        ("+ decode stream", "recorded", "recorded"),
        ("+ compiled", "compiled", "compiled"),
        ("+ fp8", "compiled", ""),
    ]
    assert everything[-1].speed == EVERYTHING
    changes = [
        sum(getattr(stage.speed, each) != getattr(before.speed, each) for each in Speed.__slots__)
        for before, stage in zip(everything, everything[1:], strict=False)
    ]
    assert set(changes) == {1}, "each stage switches on one thing"
    (only,) = ablation(Speed(cross_attention_cache=False))
    assert only.tier == "eager"
    recorded = ablation(Speed(cuda_graphs=True, cudnn_benchmark=True))[-1]
    assert (recorded.name, recorded.tier) == ("+ cuDNN benchmark", "recorded")
    assert ablation(Speed(fp8=True, cuda_graphs=True))[-1].form == "recorded"
    (_, last) = ablation(replace(EVERYTHING, cuda_graphs=False))[-2:]
    assert not last.speed.decode_stream, "only recorded pictures are decoded beside"


def rounded(unet: torch.nn.Module) -> None:
    """Stands in for torchao, which multiplies in 8 bits on a GPU alone."""
    for module in unet.modules():
        if isinstance(module, torch.nn.Linear):
            weight = module.weight.data
            module.weight.data = weight.to(torch.float8_e4m3fn).to(weight.dtype)


def test_8_bits_are_a_stage_of_a_copy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ablation_module, "to_fp8", rounded)
    made = load_bench_model("tiny", "cpu")
    request = made.request(4)
    stages = Ablation(made.components, (1, 4))
    exact, eight = ablation(Speed(fp8=True))[-2:]
    before = picture(stages.advance(exact), request).astype(int)
    kept = {n: t.clone() for n, t in made.components.unets.get(4).state_dict().items()}
    sampler = stages.advance(eight)
    found = picture(sampler, request)
    assert next(sampler.unet(4).parameters()).dtype == torch.bfloat16
    assert sampler.spec.limits.num_inference_steps == (4,), "another could not be written over it"
    assert 0 < np.abs(found - before).mean() < 12
    for name, tensor in made.components.unets.get(4).state_dict().items():
        assert torch.equal(tensor, kept[name]), "the pipeline goes on with the exact weights"


def test_8_bits_where_they_do_not_work_are_refused_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LIGHTNING_FP8", "yes")
    assert main(["bench", "model", "--weights", "thin", *SMALL]) == 2
    assert "fp8: needs a CUDA GPU" in capsys.readouterr().err


def test_a_decode_beside_steps_is_compared_with_one_between_them(monkeypatch: pytest.MonkeyPatch):
    made = load_bench_model("tiny", "cpu")
    sampler, clock = Sampler(made.components), Clock(torch.device("cpu"))
    monkeypatch.setattr(Sampler, "decodes_beside", True)
    found = time_decode_stream(sampler, lambda: made.request(2), 2, clock)
    assert found["max_pixel_difference"] == 0
    assert found["beside_ms"] > 0 and found["in_turns_ms"] > 0
    monkeypatch.setattr(Sampler, "decodes_beside", False)
    assert time_decode_stream(sampler, lambda: made.request(2), 2, clock) == {}


def test_the_tables_show_what_the_decode_stream_gains(
    result: dict[str, Any], capsys: pytest.CaptureFixture[str]
):
    found = {"in_turns_ms": 90.0, "beside_ms": 72.5, "max_pixel_difference": 0}
    last = {**result["stages"][-1], "name": "+ decode stream", "decode_stream": found}
    print_tables({**result, "stages": [last]})
    assert (
        "+ decode stream: a decode and the next picture's steps, 90 ms" in capsys.readouterr().out
    )


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
