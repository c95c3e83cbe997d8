"""`bench gpu-check`: all of it, small, on a CPU; and what fails, hangs or dies stops nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_demo.bench import gpu_check
from lightning_demo.bench.gpu_check import CHECKS, Worker, run_check
from lightning_demo.bench.gpu_checks import pictures
from lightning_demo.bench.gpu_checks.context import CheckContext, CheckFailed, CheckSkipped
from lightning_demo.bench.gpu_docs import BEGIN, END, PAGE, write_docs
from lightning_demo.cli import main
from lightning_demo.errors import InvalidSetting

from .. import processes


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks run in forks."""
    monkeypatch.setattr(gpu_check, "PROCESSES", processes.CONTEXT)


@pytest.fixture
def context(tmp_path: Path) -> CheckContext:
    return CheckContext(tmp_path, tmp_path / "cache", float("inf"), small=True, inductor=False)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("forked")
def test_everything_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "gpu-check", "--small", "--out", str(tmp_path)]) == 0, (
        tmp_path / "log.txt"
    ).read_text()[-5000:]
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result == json.loads((tmp_path / "gpu-check.json").read_text())
    found = {check["name"]: check for check in result["checks"]}
    assert found.keys() == CHECKS.keys()
    skipped = {name for name, check in found.items() if check["status"] == "skip"}
    of_gpus = {"gpu tests", "out of memory", "fp8", "memory beside torch", "small card"}
    assert skipped <= of_gpus | {"jpeg"}
    assert {check["status"] for check in result["checks"]} <= {"pass", "skip"}
    assert max(found["tiers"]["result"]["max_pixel_difference"].values()) <= 1
    assert found["calibration"]["result"]["64"]["2"]["step_ms"] > 0
    assert len(found["profiles"]["result"]) == 6
    assert found["live"]["result"]["settled"]["final_ms"]["max"] > 0
    assert found["first use"]["result"].keys() == {
        f"{steps}_{when}_ms" for steps in (1, 2) for when in ("first", "again")
    }
    assert found["live"]["result"]["made_afterwards"] == 0
    assert found["bf16"]["result"]["bfloat16_ms"] > 0
    assert found["fp16 accumulation"]["result"]["sums_in_float16_ms"] > 0
    for call in found["kernels"]["result"].values():
        assert call["device_ms"] > 0 and call["longest_ms"]
    assert found["transfers"]["result"]["pageable_gb_s"] > 0
    assert found["preview stream"]["result"].keys() == {
        f"{what}_{way}_ms" for what in ("preview", "step") for way in ("in_turns", "beside")
    }
    assert found["disk"]["result"]["again_gb_s"] > 0
    assert found["visiting encoders"]["result"].keys() == {"stay_ms", "visit_ms"}
    assert "cannot be used here" in found["faults"]["result"]["no such device"]
    second = found["compiler cache"]["result"]["second"]
    assert second["compiled"] > 0 and second["made_afterwards"] == 0
    model = json.loads((tmp_path / "model.json").read_text())
    assert [stage["tier"] for stage in model["stages"] if stage["tier"]] == [
        "eager",
        "compiled",
    ]
    assert model["compiled_pipe"]["steps"]["4"]["compiled_pipe_ms"]["p50"] > 0


def test_without_time_everything_is_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert main(["bench", "gpu-check", "--small", "--minutes", "0", "--out", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {check["error"] for check in result["checks"]} == {"no time left"}


@pytest.mark.usefixtures("forked")
def test_what_hangs_and_what_dies_is_reported(context: CheckContext):
    worker = Worker(context)
    try:
        assert worker.run("machine", 60)["status"] == "pass"
        slow = worker.run("profiles", 0.01)
        assert slow["status"] == "fail" and "did not end within" in slow["error"]
        os.kill(worker._pid, signal.SIGKILL)
        dead = worker.run("machine", 60)
        assert dead["status"] == "fail" and "died" in dead["error"]
    finally:
        worker.end()
    with pytest.raises(ProcessLookupError):
        os.kill(worker._pid, 0)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [("pass", {"passed": 1}), ("pytest.skip()", CheckSkipped), ("assert 1 == 2", CheckFailed)],
)
def test_the_tests_for_a_gpu_are_run(
    context: CheckContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, outcome: Any
):
    folder = tmp_path / "tests" / "gpu"
    folder.mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    test = f"import pytest\n\n@pytest.mark.gpu\ndef test_it():\n    {body}\n"
    (folder / "test_it.py").write_text(test)
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it needs none, and starts sooner
    context.small = False
    if isinstance(outcome, dict):
        assert pictures.gpu_tests(context) == outcome
    else:
        with pytest.raises(outcome):
            pictures.gpu_tests(context)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (CheckSkipped("no GPU"), "skip", "no GPU"),
        (CheckFailed("black"), "fail", "CheckFailed: black"),
        (RuntimeError("CUDA error"), "fail", "RuntimeError: CUDA error"),
    ],
)
def test_a_check_that_raises_says_why(
    context: CheckContext,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: str,
    words: str,
):
    def check(context: CheckContext) -> dict[str, Any]:
        raise error

    monkeypatch.setitem(CHECKS, "machine", (check, 1))
    found = run_check("machine", context)
    assert (found["status"], found["error"]) == (status, words)


def test_a_failure_is_the_commands_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Broken:
        def __init__(self, context: CheckContext) -> None:
            pass

        def run(self, name: str, seconds: float) -> dict[str, Any]:
            bad = name == "tiers"
            return {"status": "fail" if bad else "pass", "seconds": 0.0, "error": name}

        def end(self) -> None:
            pass

    monkeypatch.setattr(gpu_check, "Worker", Broken)
    assert main(["bench", "gpu-check", "--small", "--out", str(tmp_path)]) == 1
    result = json.loads((tmp_path / "gpu-check.json").read_text())
    assert [check["status"] for check in result["checks"]].count("pass") == len(CHECKS) - 1


def test_what_there_is_when_it_is_interrupted_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Interrupted:
        def __init__(self, context: CheckContext) -> None:
            pass

        def run(self, name: str, seconds: float) -> dict[str, Any]:
            if name == "live":
                raise KeyboardInterrupt
            return {"status": "pass", "seconds": 0.0, "result": {}}

        def end(self) -> None:
            pass

    monkeypatch.setattr(gpu_check, "Worker", Interrupted)
    assert main(["bench", "gpu-check", "--small", "--out", str(tmp_path)]) == 1
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result == json.loads((tmp_path / "gpu-check.json").read_text())
    statuses = [check["status"] for check in result["checks"]]
    assert statuses == ["pass", "pass", "fail", *["skip"] * (len(CHECKS) - 3)]
    assert result["checks"][2] == {
        "name": "live",
        "status": "fail",
        "seconds": 0.0,
        "error": "interrupted",
    }


def test_the_figures_of_a_gpu_go_into_the_page(tmp_path: Path):
    page = tmp_path / "gpu.md"
    page.write_text(f"# GPUs\n\n{BEGIN}\nNothing yet.\n{END}\n\nThe end.\n")
    spread = {"p50": 98.1, "p95": 99.25}
    times = {f"{name}_ms": spread for name in ("full_decoder", "preview_decoder", "pipe")}
    model = {
        "weights": "full",
        "size": [1024, 1024],
        "stages": [
            {"tier": "", "steps": {}},
            {"tier": "recorded", "steps": {"4": times}},
            {"tier": "compiled", "error": "no compiler"},
        ],
    }
    result = {
        "small": False,
        "gpu": "NVIDIA H200, 139 GiB",
        "packages": {"torch": "2.13.0"},
        "commit": "abc1234",
        "checks": [
            {"name": "live", "status": "pass", "result": {"settled": {"final_ms": spread}}},
            {"name": "profiles", "status": "skip", "error": "no time left"},
        ],
    }
    for _ in range(2):
        write_docs(result, model, page)
        text = page.read_text()
        assert "| recorded | 4 | 98.1 / 99.2 | 98.1 / 99.2 | 98.1 / 99.2 |" in text
        assert "| live | pass | settled final_ms p50 98.1, settled final_ms p95 99.25 |" in text
        assert "Not reached in its time: profiles." in text
        assert "Nothing yet" not in text and "compiled" not in text
        assert text.startswith("# GPUs\n") and text.endswith("\nThe end.\n")
    with pytest.raises(InvalidSetting, match="of a CPU"):
        write_docs({**result, "small": True}, model, page)
    page.write_text("# GPUs")
    with pytest.raises(InvalidSetting, match="has no marks"):
        write_docs(result, model, page)


def test_the_page_has_a_place_for_the_figures(capsys: pytest.CaptureFixture[str]):
    text = PAGE.read_text(encoding="utf-8")
    assert 0 < text.index(BEGIN) < text.index(END)
    if not torch.cuda.is_available():
        assert main(["bench", "gpu-check", "--write-docs"]) == 2
        assert "there is no GPU" in capsys.readouterr().err
