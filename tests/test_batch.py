"""`batch`: a list into a folder, everything checked first, and taken up where it was cut off."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from lightning_demo.batch import _weights
from lightning_demo.cli import main
from lightning_demo.errors import GenerationFailed
from lightning_demo.model.device import choose_model
from lightning_demo.model.weights.fingerprint import fingerprint
from lightning_demo.settings import Settings
from lightning_demo.studio.picture_info import read_info, template_of

from .documents import examples
from .model.hub_cache import cached, use_only
from .processes import ForkedPopen
from .web.conftest import Running, wait_for
from .web.fakes import FakeEngine

HERE = ["--model", "miniature", "--device", "cpu"]


def batch(*arguments: str | Path) -> int:
    return main(["batch", *map(str, arguments)])


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    running = Running(FakeEngine())
    yield running
    running.server.stop()


def test_a_list_becomes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "sky.txt").write_text("sunset\nnight\n")
    file = tmp_path / "list.csv"
    file.write_text('prompt,seed,steps\n"a {red, blue} house at __sky__",7,4\na cat,,2\n')
    out = tmp_path / "out"
    options = ["--out", out, "--wildcards", tmp_path / "words", *HERE]
    assert batch(file, *options) == 0
    said = report(capsys)
    assert (said["pictures"], said["painted"], said["failed"]) == (3, 3, 0)
    assert said["pictures_per_hour"] > 0
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()[1:]]
    assert sorted(line["number"] for line in lines) == [1, 2, 3]
    for line in lines:
        picture = Image.open(out / line["file"])
        inside = json.loads(picture.text["generation"])
        assert {name: line[name] for name in inside} == inside
        assert ("template" in inside) is ("{" in line["template"])
    (first,) = (line for line in lines if line["number"] == 1)
    capsys.readouterr()
    assert main(["inspect", str(out / first["file"])]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["prompt"], told["template"]) == (first["prompt"], first["template"])
    # The same command finds all of it there.
    assert batch(file, *options) == 0
    assert report(capsys)["already_there"] == 3


def test_the_documents_example(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (command,), (rows,) = examples("batch.md", "bash"), examples("batch.md", "csv")
    file = tmp_path / "prompts.csv"
    file.write_text(rows)
    words = command.split()[3:]
    words[words.index("prompts.csv")] = str(file)
    words[words.index("pictures")] = str(tmp_path / "out")
    assert main([*words, "--server", running.url]) == 0
    assert report(capsys)["painted"] == 8


def test_a_server_paints_and_one_picture_that_fails_is_painted_later(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "list.txt"
    file.write_text("a {cat, dog}\na bird\n")
    options = ["--out", tmp_path / "out", "--format", "jpeg", "--server", running.url]
    running.engine.fault = lambda request: (
        GenerationFailed("Not a dog.") if request.prompt == "a dog" else None
    )
    assert batch(file, *options) == 1
    output = capsys.readouterr()
    said = json.loads(output.out)
    assert (said["painted"], said["failed"]) == (2, 1)
    assert "line 1: Not a dog." in output.err
    running.engine.fault = lambda request: None
    assert batch(file, *options) == 0
    said = report(capsys)
    assert (said["painted"], said["already_there"]) == (1, 2)
    found = sorted(each.name for each in (tmp_path / "out").iterdir())
    assert found == [
        "1-a-cat.jpeg",
        "2-a-dog.jpeg",
        "3-a-bird.jpeg",
        "manifest.csv",
        "manifest.jsonl",
    ]
    painted = [read_info((tmp_path / "out" / name).read_bytes(), name) for name in found[:3]]
    assert [template_of(each) for each in painted] == ["a {cat, dog}", "a {cat, dog}", ""]


def test_bad_rows_are_listed_before_any_work(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "list.jsonl"
    rows = ['{"prompt": "a cat"}', '{"prompt": "a", "steps": 3}', "{", *["[]"] * 30]
    file.write_text("\n".join(rows))
    options = ["--out", tmp_path / "out", "--server", running.url]
    for check in ([], ["--check"]):
        assert batch(file, *options, *check) == 2
        output = capsys.readouterr()
        assert json.loads(output.out) == {"pictures": 1, "bad_rows": 32}
        lines = output.err.splitlines()
        assert lines[0].startswith(f"{file}, line 2: num_inference_steps: must be one of")
        assert lines[-1] == "… and 12 more"
    assert not (tmp_path / "out").exists()
    assert batch(file, *options, "--skip-bad-rows") == 1
    assert report(capsys)["painted"] == 1


def test_lines_from_standard_input(
    running: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("猫\n".encode())))
    assert batch("-", "--out", tmp_path, "--server", running.url, "--seed", "7") == 0
    assert (tmp_path / "1-picture.png").exists()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("list.xlsx", [], "file: must end in .txt, .csv"),
        ("nowhere.txt", [], "cannot be read"),
        ("list.txt", ["--at-once", "0"], "at_once: must be a whole number from 1 to 64"),
        ("list.txt", ["--wildcards", "nowhere"], "wildcards: nowhere is not a folder"),
        ("list.txt", ["--wildcards", "x" * 300], "is not a folder"),
        ("list.txt", ["--out", "list.txt"], "out: must be a folder"),
        ("empty.txt", [], "There is nothing in the list."),
        ("list.txt", ["--threads", "many"], "threads (LIGHTNING_THREADS): must be"),
    ],
)
def test_bad_input(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: list[str],
    words: str,
):
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("a cat")
    Path("empty.txt").write_text("\n\n")
    assert batch(name, "--out", "out", *options, *HERE) == 2
    output = capsys.readouterr()
    assert words in output.err
    assert len(output.err.splitlines()) == 1
    assert not Path("out").exists()


def test_a_folder_keeps_its_list(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "list.txt"
    file.write_text("a cat")
    options = ["--out", tmp_path / "out", "--server", running.url]
    assert batch(file, *options) == 0
    assert batch(file, *options, "--seed", "7") == 2
    file.write_text("a dog")
    assert batch(file, *options) == 2
    assert "holds another batch" in capsys.readouterr().err


def lora_file(path: Path, value: float) -> Path:
    """A LoRA of the miniature's."""
    name = "lora_unet_mid_block_attentions_0_proj_in"
    sides = {"lora_down": (1, 128), "lora_up": (128, 1)}
    save_file(
        {f"{name}.{side}.weight": torch.full(shape, value) for side, shape in sides.items()}, path
    )
    return path


def test_a_folder_keeps_its_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file, out = tmp_path / "list.txt", tmp_path / "out"
    file.write_text("a cat")
    ink, oil = (lora_file(tmp_path / f"{n}.safetensors", n) for n in (1, 2))
    options = [file, "--out", out, "--num-inference-steps", "2", *HERE]
    assert batch(*options, "--lora", ink) == 0
    for others in ([], ["--lora", oil], ["--lora", f"{ink}:0.5"]):
        capsys.readouterr()
        assert batch(*options, *others) == 2
        assert "holds another batch" in capsys.readouterr().err
    assert batch(*options, "--lora", ink) == 0
    assert report(capsys)["already_there"] == 1


def test_a_folder_whose_weights_are_not_known_goes_on(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, out = tmp_path / "list.txt", tmp_path / "out"
    file.write_text("a cat")
    assert batch(file, "--out", out, "--server", running.url) == 0
    journal = out / "manifest.jsonl"
    first, *lines = journal.read_text().splitlines()
    told = json.loads(first)["batch"]
    assert told["fingerprint"] == ""
    told["fingerprint"] = "of a model that painted here"
    journal.write_text("\n".join([json.dumps({"batch": told}), *lines]))
    assert batch(file, "--out", out, "--server", running.url) == 0  # which does not say
    assert report(capsys)["already_there"] == 1


def test_a_branch_that_is_to_be_downloaded_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    use_only(tmp_path, monkeypatch)
    settings = Settings(model="sdxl-lightning", base="owner/model")
    spec = choose_model(settings)
    assert _weights(spec, settings) == ""
    cached(tmp_path, spec, "c" * 40)
    assert _weights(spec, settings) == fingerprint(spec)


def test_a_batch_that_is_killed_goes_on(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "list.txt"
    file.write_text("\n".join(f"a cat {number}" for number in range(40)))
    out = tmp_path / "out"
    options = [str(file), "--out", str(out), "--server", running.url, "--at-once", "2"]
    running.engine.step_seconds = 0.05
    command = [sys.executable, "-m", "lightning_demo", "batch", *options]
    with ForkedPopen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len(list(out.glob("*.png"))) >= 3)
        process.kill()
    running.engine.step_seconds = 0.0
    there = {each.name: each.read_bytes() for each in out.glob("*.png")}
    assert 3 <= len(there) < 40
    assert batch(*options) == 0
    said = report(capsys)
    assert said["already_there"] >= len(there) - 2  # a file that is there before its line
    assert said["painted"] + said["already_there"] == 40
    pictures = {each.name: each.read_bytes() for each in out.glob("*.png")}
    assert len(pictures) == 40
    assert there.items() <= pictures.items()  # with the seeds of the first run
