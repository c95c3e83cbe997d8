"""The command line of the miniature, as far as it goes without hours of training."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from lightning_demo.miniature.commands import DEFAULT_EXPORT, add_options
from lightning_demo.miniature.config import BUDGET_SHARES
from lightning_demo.miniature.distill import STUDENTS
from lightning_demo.miniature.export import write_hashes


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    "line",
    [
        "render --run-dir x",
        "train --run-dir x --budget 90",
        "train teacher --run-dir x --device cuda",
        "train preview --run-dir x",
        "train classifier --run-dir x --threads 1",
        "distill --run-dir x --steps 4",
        "distill --run-dir x --steps 8 --adversarial-weight 0 --processes 2",
        "evaluate --fast",
        "evaluate --run-dir x --write-card",
        "export --run-dir x --to y",
        "sample --steps 1 --size 384x256",
        "sample --steps teacher",
        "sample --sheet sheet.jpg --seed 1",
        f"sample --sheet before-after.jpg --seed 1 --before {DEFAULT_EXPORT}",
    ],
)
def test_every_command_parses_and_can_run(line: str):
    assert callable(parse(*line.split()).run)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("train teacher --run-dir x --budget 0", "--budget: 0 is not above 0 minutes"),
        ("train --run-dir x --budget nan", "--budget: nan is not above 0 minutes"),
        ("train --run-dir x --threads 0", "--threads: 0 is not 1 or more"),
        ("train kitchen --run-dir x", "invalid choice: 'kitchen'"),
        ("train --run-dir x --device toaster", "--device: invalid choice: 'toaster'"),
        ("distill --run-dir x --steps 3", "--steps: invalid choice: 3"),
        ("distill --run-dir x --steps 4 --adversarial-weight -1", "-1 is not 0 or more"),
        ("evaluate --model /nowhere", "/nowhere has no base/; `export` writes it"),
        ("sample --sheet a.jpg --before /nowhere", "/nowhere has no base/; `export` writes it"),
        ("sample --size 7x7", "--size: invalid choice: '7x7'"),
    ],
)
def test_a_bad_option_is_named_with_what_is_allowed(
    line: str, says: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        parse(*line.split())
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", ["render", "export"])
def test_what_trains_nothing_takes_one_process(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse(command, "--run-dir", "x", "--processes", "2")
    assert "unrecognized arguments: --processes 2" in capsys.readouterr().err


def test_the_shares_of_the_budget_are_all_of_it_and_name_every_stage():
    assert sum(BUDGET_SHARES.values()) == pytest.approx(1)
    assert {plan.name for plan in STUDENTS.values()} < BUDGET_SHARES.keys()


def test_a_stage_without_its_forerunner_says_so(tmp_path: Path):
    args = parse("export", "--run-dir", str(tmp_path), "--to", str(tmp_path / "out"))
    with pytest.raises(SystemExit, match="autoencoder"):
        args.run(args)


def test_the_hashes_of_all_weight_files_are_written(tmp_path: Path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "a.safetensors").write_bytes(b"abc")
    (tmp_path / "words.json").write_bytes(b"{}")
    hashes = write_hashes(tmp_path)
    assert hashes == {
        "base/a.safetensors": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
    assert json.loads((tmp_path / "sha256.json").read_text(encoding="utf-8")) == hashes
