"""The `compile` command, and the child process in which a server runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightning_demo.cli import main
from lightning_demo.engine import build
from lightning_demo.engine.precompile import COMMAND, Precompiler, stamp
from lightning_demo.model.compile.compile_plan import compile_plan
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.settings import Settings, compile_folder

HERE = ["--model", "miniature", "--device", "cpu"]
# Traces and guards as the real backend does, in seconds and without a C compiler.
ON_CPU = ["--compile-on-cpu", "--compile-backend", "aot_eager"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The compiler's cache in a folder of the test's own."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    return tmp_path / "compiled"


def test_it_compiles_the_whole_plan_and_leaves_its_stamp(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    small = replace(MINIATURE, sizes=MINIATURE.sizes[:1])
    monkeypatch.setattr("lightning_demo.compile.choose_model", lambda settings: small)
    # Without whole UNets, which take half a minute to trace; test_compiled_functions has them.
    monkeypatch.setattr(
        "lightning_demo.model.sampling.sampler.compile_plan", lambda *a: compile_plan(*a)[:3:2]
    )
    assert main(["compile", *HERE, *ON_CPU]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" s  ")[2] for line in lines] == ["blocks compiled 1/2", "compiled"]
    settings = Settings(compile_backend="aot_eager")
    assert stamp(compile_folder(), small, settings, "cpu").exists()


def test_where_nothing_is_compiled_it_says_so(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["compile", *HERE]) == 2
    assert "nothing is compiled" in capsys.readouterr().err
    assert not folder.exists()


def test_the_stamp_knows_what_was_compiled(tmp_path: Path):
    settings = Settings()
    same = stamp(tmp_path, MINIATURE, settings, "NVIDIA H200")
    assert same == stamp(tmp_path, MINIATURE, replace(settings, port=1), "NVIDIA H200")
    others = {
        stamp(tmp_path, SDXL_LIGHTNING, settings, "NVIDIA H200"),
        stamp(tmp_path, MINIATURE, settings, "NVIDIA L4"),
        stamp(tmp_path, MINIATURE, replace(settings, channels_last=False), "NVIDIA H200"),
        stamp(tmp_path, MINIATURE, replace(settings, compile_backend="eager"), "NVIDIA H200"),
    }
    assert len(others | {same}) == 5


def test_the_child_chooses_what_its_parent_chose():
    settings = Settings(model="miniature", threads=3, compile=False, lora="", debounce_ms=1.5)
    assert Settings.from_environment(settings.to_environment()) == settings


def waiting_child(tmp_path: Path, ending: str) -> list[str]:
    """A program that writes its number and then does what `ending` says."""
    code = f"import os, sys; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); {ending}"
    return [sys.executable, "-c", code]


def test_a_child_at_work_is_waited_for_and_one_that_fails_is_not(tmp_path: Path):
    child = Precompiler(tmp_path / "none", {}, waiting_child(tmp_path, "sys.stdin.read()"))
    assert child.running
    child.stop()
    assert not child.running
    failing = Precompiler(tmp_path / "none", {}, waiting_child(tmp_path, "sys.exit(3)"))
    failing._child.wait(30)  # type: ignore[union-attr]
    assert not failing.running
    missing = Precompiler(tmp_path / "none", {}, [str(tmp_path / "no such program")])
    assert not missing.running


def test_what_is_done_is_not_done_again(tmp_path: Path):
    (tmp_path / "stamp").touch()
    child = Precompiler(tmp_path / "stamp", {}, waiting_child(tmp_path, "sys.exit(0)"))
    assert not child.running and not (tmp_path / "pid").exists()


def test_the_real_child_ends_when_its_parent_is_gone(folder: Path):
    """Standard input closes with the parent, however that ends."""
    environment = {**os.environ, **Settings(model="miniature", device="cpu").to_environment()}
    environment |= {"LIGHTNING_COMPILE_ON_CPU": "yes", "LIGHTNING_COMPILE_BACKEND": "aot_eager"}
    root = Path(__file__).resolve().parent.parent
    child = subprocess.Popen(  # noqa: S603
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, cwd=root
    )
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(60) == 1
    assert not list(folder.glob("complete-*"))


def test_a_server_compiles_only_after_its_child(folder: Path, monkeypatch: pytest.MonkeyPatch):
    running = True

    class Child:
        def __init__(self, done: Path, environment: Any) -> None:
            assert done.parent == folder
            assert environment["LIGHTNING_COMPILE_BACKEND"] == "aot_eager"

        @property
        def running(self) -> bool:
            return running

    monkeypatch.setattr(build, "Precompiler", Child)
    # One small task, the decoders', stands for all.
    monkeypatch.setattr(
        "lightning_demo.model.sampling.sampler.compile_plan", lambda *a: compile_plan(*a)[2:3]
    )
    settings = Settings(
        model="miniature", device="cpu", compile_on_cpu=True, compile_backend="aot_eager"
    )
    sampler = build.loader(MINIATURE, settings)(lambda fraction, sentence: None)
    for steps in MINIATURE.limits.num_inference_steps:
        sampler.unet(steps)  # nothing left to fetch, only to compile
    for _ in range(3):
        assert sampler.improve(), "there is something left: it waits for the child"
    assert sampler.compile_tasks_left == 1
    running = False
    assert sampler.improve()
    assert sampler.compile_tasks_left == 0
