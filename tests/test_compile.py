"""The `compile` command, and the child process in which a server runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightning_demo.cli import main
from lightning_demo.compile import alone
from lightning_demo.engine import build
from lightning_demo.engine.precompile import COMMAND, Precompiler, stamp
from lightning_demo.model.compile.compile_plan import compile_plan
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.settings import Settings

HERE = ["--model", "miniature", "--device", "cpu"]
# Exports and loads as ever, in seconds and without a C++ compiler.
ON_CPU = ["--compile", "--compile-backend", "eager"]
ON_CPU_SETTINGS = Settings(model="miniature", device="cpu", compile_backend="eager")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs are kept, a folder of the test's own."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    return tmp_path / "compiled"


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoders' tasks stand for all; test_compiled_functions has the others."""
    small = replace(MINIATURE, sizes=MINIATURE.sizes[:1])
    monkeypatch.setattr("lightning_demo.compile.choose_model", lambda settings: small)
    monkeypatch.setattr(
        "lightning_demo.model.sampling.sampler.compile_plan",
        lambda *a, **k: [
            task for task in compile_plan(*a, **k) if {"decoder", "preview"}.issuperset(task.kinds)
        ],
    )


@pytest.mark.parametrize(("backend", "suffix"), [("eager", "pt2"), ("auto", "ov")])
def test_it_compiles_the_whole_plan_and_leaves_its_stamp(
    backend: str, suffix: str, folder: Path, capsys: pytest.CaptureFixture[str], decoders: None
):
    """Also by OpenVINO, which is what a CPU takes."""
    assert main(["compile", *HERE, "--compile", "--compile-backend", backend]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" s  ")[2] for line in lines][-1] == "0 left"
    (programs,) = folder.glob("miniature-*")
    assert stamp(programs, "4,full,stay", MINIATURE.sizes[0]).exists()
    assert {file.name.partition("-")[0] for file in programs.glob(f"*.{suffix}")} == {
        "decoder",
        "preview",
    }


def test_what_cannot_be_compiled_leaves_no_stamp(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    decoders: None,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert main(["compile", *HERE, "--compile", "--compile-backend", "inductor"]) == 1
    assert "Not everything could be compiled" in capsys.readouterr().err
    assert not list(folder.rglob("complete-*")) and not list(folder.rglob("*.pt2"))


def test_engines_of_one_machine_compile_one_after_another(tmp_path: Path):
    file, order = tmp_path / "new" / "miniature.lock", []
    come = threading.Event()

    def second() -> None:
        come.set()
        with alone(file):
            order.append("second")

    with ThreadPoolExecutor(1) as threads:
        with alone(file):
            waiting = threads.submit(second)
            come.wait()
            time.sleep(0.2)  # in which it would go ahead
            order.append("first")
        waiting.result()
    assert order == ["first", "second"]


def test_without_a_folder_nobody_waits(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with alone(tmp_path / "file" / "miniature.lock"), alone(tmp_path / "file" / "miniature.lock"):
        pass


@pytest.mark.parametrize("size", ["130x128", "0x0"])
def test_a_size_of_the_model_is_asked_for(
    size: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["compile", *HERE, *ON_CPU, "--size", size]) == 2
    assert f"size: {size} is not one of" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compile", *HERE, "--size", "large"])
    assert "is not WIDTHxHEIGHT" in capsys.readouterr().err


def test_where_nothing_is_compiled_it_says_so(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["compile", *HERE]) == 2
    assert "nothing is compiled" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize("plan", ["", "4,full", "many,full,stay", "1,half,stay", "1,full,go,1"])
def test_a_plan_is_checked(plan: str, folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["compile", *HERE, *ON_CPU, "--plan", plan]) == 2
    assert "plan: write UNets,decoder,encoders" in capsys.readouterr().err


def test_stamps_are_of_a_plan_and_a_size(tmp_path: Path):
    every = {
        stamp(tmp_path, plan, size)
        for plan in ("4,full,stay", "1,tiled,stay", "1,tiled,visit")
        for size in ((1024, 1024), (512, 512))
    }
    assert len(every) == 6 and all(file.parent == tmp_path for file in every)


def test_the_child_chooses_what_its_parent_chose():
    settings = Settings(model="miniature", threads=3, compile=False, lora="", debounce_ms=1.5)
    assert Settings.from_environment(settings.to_environment()) == settings


SIZE = (128, 128)
WAIT = "; sys.stdin.read()"


class Child(Precompiler):
    """A child that writes what it was asked for and then does what `ending` says."""

    def __init__(self, folder: Path, ending: str, **options: Any) -> None:
        self.folder = folder
        code = f"import sys; open({str(folder / 'asked')!r}, 'a').write(sys.argv[-1] + ' ')"
        code += f"; done = {str(folder)!r} + '/done-' + sys.argv[-1]; {ending}"
        options = {"command": [sys.executable, "-c", code], **options}
        super().__init__(lambda size: folder / f"done-{size[0]}x{size[1]}", {}, **options)

    def settled(self, size: tuple[int, int] = SIZE) -> bool | None:
        """What it says in the end."""
        while (answer := self.may_compile(size)) is False:
            time.sleep(0.01)
        return answer

    def asked(self) -> list[str]:
        """The sizes of all its runs."""
        file = self.folder / "asked"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Makes children, which end with the test."""
    children: list[Child] = []

    def start(ending: str, **options: Any) -> Child:
        children.append(Child(tmp_path, ending, **options))
        return children[-1]

    yield start
    for child in children:
        child.stop()


def test_a_size_is_compiled_here_once_the_child_has_done_it(started: Callable[..., Child]):
    child = started("open(done, 'w')")
    assert child.may_compile(SIZE) is False
    assert child.settled() and child.settled((192, 128))
    assert child.asked() == ["128x128", "192x128"], "one at a time, each once"


def test_it_is_only_looked_at_while_somebody_waits(tmp_path: Path, started: Callable[..., Child]):
    child = started("sys.exit(0)")
    assert child.may_compile(SIZE, start=False) is False and not child.asked()
    (tmp_path / "done-128x128").touch()
    assert child.may_compile(SIZE, start=False) is True


def test_what_is_done_is_not_done_again(tmp_path: Path, started: Callable[..., Child]):
    (tmp_path / "done-128x128").touch()
    child = started("sys.exit(0)")
    assert child.may_compile(SIZE) is True and not child.asked()


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        ("sys.exit(3)", {}),
        ("", {"command": ["/no such program"]}),
        ("", {"may_run": False}),
    ],
    ids=["it fails", "it cannot be started", "there is no room for it"],
)
def test_without_the_child_nothing_is_compiled(
    ending: str, options: Any, tmp_path: Path, started: Callable[..., Child]
):
    child = started(ending, **options)
    assert child.settled() is None
    asked = child.asked()
    assert child.may_compile((192, 128)) is None and child.asked() == asked, "nor tried again"
    (tmp_path / "done-192x128").touch()
    assert child.may_compile((192, 128)) is True, "somebody ran `compile` by hand"


def test_a_child_that_compiles_something_else_is_not_started_for_ever(
    started: Callable[..., Child], caplog: pytest.LogCaptureFixture
):
    """Its code has been updated while this process serves."""
    child = started("")
    assert child.settled() is None and child.settled() is None
    assert child.asked() == ["128x128"] and "is of other code" in caplog.text


def test_a_folder_that_may_not_be_looked_into_is_done_without(started: Callable[..., Child]):
    class Locked:
        def exists(self) -> bool:
            raise PermissionError(13, "Permission denied")

    child = started("sys.exit(3)")
    child._stamp = lambda size: Locked()  # type: ignore[assignment,return-value]
    assert child.settled() is None


def test_the_child_is_found_from_any_folder(folder: Path, tmp_path: Path):
    code = (
        "import lightning_demo, os; file = open('begun', 'w'); file.write(lightning_demo.__file__)"
    )
    code += "; file.close(); os.replace('begun', 'found')"
    child = Precompiler(lambda size: tmp_path / "found", {}, command=[sys.executable, "-c", code])
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        while child.may_compile(SIZE) is False:
            time.sleep(0.01)
    finally:
        child.stop()
        os.chdir(before)
    assert (tmp_path / "found").read_text() == sys.modules["lightning_demo"].__file__


def test_a_child_at_work_can_be_ended(tmp_path: Path, started: Callable[..., Child]):
    pid = tmp_path / "pid"
    child = started(f"import os; open({str(pid)!r}, 'w').write(f'{{os.getpid()}}.')" + WAIT)
    assert child.may_compile(SIZE) is False
    while not (pid.exists() and pid.read_text().endswith(".")):
        time.sleep(0.01)
    child.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()[:-1]), 0)


def test_the_real_child_ends_when_its_parent_is_gone(folder: Path):
    """Standard input closes with the parent, however that ends."""
    environment = {**os.environ, **Settings(model="miniature", device="cpu").to_environment()}
    environment |= {"LIGHTNING_COMPILE": "yes", "LIGHTNING_COMPILE_BACKEND": "eager"}
    root = Path(__file__).resolve().parent.parent
    child = subprocess.Popen(  # noqa: S603
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, cwd=root
    )
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(60) == 1
    assert not list(folder.rglob("complete-*"))


def test_a_server_loads_what_its_child_has_compiled(
    folder: Path, decoders: None, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Any]
):
    class FakeChild:
        def __init__(
            self, done: Any, environment: Any, *, may_run: bool, command: tuple[str, ...]
        ) -> None:
            assert may_run and command[-2:] == ("--plan", "4,full,stay")
            assert environment["LIGHTNING_COMPILE_BACKEND"] == "eager"
            self._done = done

        def may_compile(self, size: tuple[int, int], start: bool) -> bool:
            return self._done(size).exists()

    monkeypatch.setattr(build, "Precompiler", FakeChild)
    sampler = build.loader(MINIATURE, ON_CPU_SETTINGS)(lambda fraction, sentence: None)
    for steps in MINIATURE.limits.num_inference_steps:
        sampler.unet(steps)  # nothing left to fetch, only to compile
    before = sampler.finish(sampler.begin(ask()))
    for _ in range(3):
        assert not sampler.improve() and sampler.has_more, "it waits for the child"
    assert sampler.improvement.tasks_left == 1 and not list(folder.rglob("*.pt2"))
    assert main(["compile", *HERE, *ON_CPU, "--plan", "4,full,stay"]) == 0
    assert sampler.improve() and sampler.tier == "compiled"
    assert not sampler.improve() and not sampler.improvement.failures
    assert (sampler.finish(sampler.begin(ask())) == before).all()
