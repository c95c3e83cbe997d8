"""The README says what is true: its commands run, its files are there, CI runs the same."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from lightning_demo.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def test_the_first_screen_has_the_two_commands_and_ci_runs_the_second():
    run, test = (block.strip() for block in SHELL[:2])
    assert run == "pip install -r requirements.txt && python app.py"
    assert test.endswith("python -m pytest")
    assert f"\n{test}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert README.index(test) < README.index("## ")


@pytest.mark.parametrize("command", re.findall(r"`python -m lightning_demo ([^`]+)`", README))
def test_every_command_is_one(command: str):
    assert callable(build_parser().parse_args(shlex.split(command)).run)


def test_every_file_it_names_is_there():
    names = re.findall(r"\]\(([^)#:]+)\)", README)
    assert names
    for name in names:
        assert (ROOT / name).exists(), name


def test_every_room_of_the_map_is_there():
    rooms = re.findall(r"^  (\w+)/ ", README, re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "lightning_demo").glob("*/__init__.py")}
    assert set(rooms) == packages


def test_the_miniatures_figures_are_those_of_its_evaluation():
    path = ROOT / "assets" / "miniature" / "evaluation" / "evaluation.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    models = ("1", "2", "4", "8", "teacher")
    for key in ("one_subject", "two_subjects", "counts", "bare_prompts"):
        assert "| " + " | ".join(f"{report[key][name]:.0%}" for name in models) + " |" in README
    assert " | ".join(f"{ms:.0f} ms" for ms in report["one_core_ms"].values()) in README
