"""`download`: everything a step count needs, in the Hub's cache, with words for each refusal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_demo.cli import main
from lightning_demo.download import Line
from lightning_demo.model.weights.checkpoints import SDXL_LIGHTNING, sdxl_lightning
from lightning_demo.model.weights.model_spec import ModelSpec

from .model.hub.hub_server import FakeHub, Fault, serve_as_the_hub


def publish(server: FakeHub, family: ModelSpec) -> None:
    """Gives the Hub a small file for each that the family needs."""
    for repository, files in family.files(*family.limits.num_inference_steps):
        for file in files:
            content = json.dumps([repository.name, file]).encode() * 400
            server.files.setdefault(repository.name, {})[file] = content


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve_as_the_hub(tmp_path, monkeypatch) as fake:
        publish(fake, SDXL_LIGHTNING)
        publish(fake, sdxl_lightning("lora"))
        publish(fake, sdxl_lightning("lora", "owner/name"))
        yield fake


def fetched(server: FakeHub) -> set[str]:
    """Names of all weight files that were sent."""
    paths = {path for method, path, _ in server.requests if method == "GET"}
    return {path.rpartition("/")[2] for path in paths if "lightning" in path.lower()}


def test_the_usual_step_count(server: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["download"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"SDXL-Lightning for 4 step(s): 0.00 GB in {tmp_path / 'hub'}"
    assert any(line.startswith("100%  Checking sdxl_lightning_4step_unet") for line in lines)
    assert fetched(server) == {"sdxl_lightning_4step_unet.safetensors"}
    assert not server.gets("/unet/diffusion_pytorch_model"), "whole UNets need no base UNet"
    server.requests.clear()
    assert main(["download"]) == 0
    assert server.requests == [], "a second time there is nothing to do"


def test_some_step_counts(server: FakeHub, capsys: pytest.CaptureFixture[str]):
    assert main(["download", "--steps", "8", "1", "8"]) == 0
    assert "for 1, 8 step(s)" in capsys.readouterr().out
    assert fetched(server) == {
        "sdxl_lightning_1step_unet_x0.safetensors",
        "sdxl_lightning_8step_unet.safetensors",
    }


@pytest.mark.parametrize("options", [["--variant", "lora"], ["--base", "owner/name"]])
def test_the_loras_come_with_the_base_unet(options: list[str], server: FakeHub):
    assert main(["download", "--steps", "2", *options]) == 0
    assert fetched(server) == {"sdxl_lightning_2step_lora.safetensors"}
    assert server.gets("/unet/diffusion_pytorch_model.fp16.safetensors") == [""]
    asked_the_other = bool(server.gets("stable-diffusion-xl-base-1.0"))
    assert asked_the_other == (options[0] == "--variant")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "1", "--variant", "lora"], "among 2, 4, 8 (there is no 1-step LoRA)"),
        (["--steps", "1", "--base", "owner/name"], "among 2, 4, 8 (there is no 1-step LoRA)"),
        (["--steps", "3"], "among 1, 2, 4, 8 (each has its own checkpoint)"),
        (["--steps", "all"], "among 1, 2, 4, 8"),
        (["--base", "owner/name", "--variant", "unet"], "would replace the base"),
        (["--base", "nonsense"], "neither a folder here nor owner/name"),
        (["--base", "x" * 300], "neither a folder here nor owner/name"),
        (["--base", "~nobody-here/model"], "neither a folder here nor owner/name"),
        (["--model", "miniature", "--variant", "lora"], "the miniature has neither"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(
    options: list[str], words: str, server: FakeHub, capsys: pytest.CaptureFixture[str]
):
    assert main(["download", *options]) == 2
    assert words in capsys.readouterr().err
    assert server.requests == []


def test_the_miniature_comes_with_the_project(server: FakeHub, capsys: pytest.CaptureFixture[str]):
    assert main(["download", "--model", "miniature"]) == 0
    assert capsys.readouterr().out.startswith("Miniature needs no download")
    assert server.requests == []


def test_a_fault_is_a_sentence_and_what_is_here_is_kept(
    server: FakeHub, capsys: pytest.CaptureFixture[str]
):
    server.faults = [Fault("503", "4step_unet.safetensors")]
    assert main(["download"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "in trouble (503)" in error
    server.faults.clear()
    server.requests.clear()
    assert main(["download"]) == 0
    assert {path.rpartition("/")[2] for _, path, _ in server.requests} == fetched(server)


def test_checking_again(server: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["download", "--check"]) == 1
    output = capsys.readouterr().out
    assert "4step_unet.safetensors of ByteDance/SDXL-Lightning is not on this machine" in output
    assert main(["download"]) == 0
    server.requests.clear()
    capsys.readouterr()
    assert main(["download", "--check"]) == 0
    output = capsys.readouterr().out.splitlines()
    files = sum(len(files) for _, files in SDXL_LIGHTNING.files(4))
    assert len(output) == files and all(line.startswith("ok ") for line in output)
    assert server.requests == [], "published hashes are the cache's own names"

    (path,) = tmp_path.rglob("sdxl_lightning_4step_unet.safetensors")
    path.resolve().write_bytes(b"not it")
    assert main(["download", "--check"]) == 1
    output = capsys.readouterr().out
    assert "has been removed: download it again" in output
    assert "1 file(s) to fetch" in output
    assert main(["download"]) == 0 and main(["download", "--check"]) == 0


def test_on_a_terminal_one_line_is_drawn_over_and_over():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with Line(screen) as line:
        line.report(0.5, "Downloading a long name")
        line.report(1.0, "Checking")
    first, second = screen.getvalue().removesuffix("\n").split("\r")[1:]
    assert first == "[############............]  50%  Downloading a long name"
    assert second.rstrip() == "[########################] 100%  Checking"
    assert len(second) == len(first), "nothing of the longer line stays"


def test_in_a_log_a_file_has_a_few_lines():
    log = io.StringIO()
    with Line(log) as line:
        for i in range(1001):
            line.report(i / 1000, f"Downloading x: {i} of 1000 kB")
        line.report(1.0, "Checking x")
    lines = log.getvalue().splitlines()
    assert len(lines) == 12 and lines[-1] == "100%  Checking x"
