"""The README says what is true: its commands run, its files are there, CI runs the same."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from lightning_demo.cli import build_parser
from lightning_demo.doctor import PYTHONS
from lightning_demo.model.weights.checkpoints import SDXL_LIGHTNING

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
SPACE: dict[str, Any] = yaml.safe_load(README.split("---\n")[1])
REPOSITORIES = {
    each.name: each
    for each in (
        SDXL_LIGHTNING.base,
        SDXL_LIGHTNING.lightning,
        SDXL_LIGHTNING.vae,
        SDXL_LIGHTNING.preview,
    )
    if each is not None
}


def preloaded() -> dict[str, tuple[list[str], str]]:
    """What a Space downloads while it is built: repository -> (files, revision)."""
    items = [line.split(" ") for line in SPACE["preload_from_hub"]]
    return {name: (files.split(","), revision) for name, files, revision in items}


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


def test_the_space_is_described_as_the_hub_wants_it():
    assert README.startswith("---\n"), "the Hub reads only a block at the very top"
    assert SPACE["sdk"] == "gradio"
    assert len(SPACE["short_description"]) <= 60
    assert {SPACE["colorFrom"], SPACE["colorTo"]} <= {
        *("red", "yellow", "green", "blue"),
        *("indigo", "purple", "pink", "gray"),
    }
    for key in ("app_file", "thumbnail"):
        assert (ROOT / SPACE[key]).is_file(), key
    assert SPACE["license"] == "apache-2.0"


def test_the_space_runs_on_versions_that_the_requirements_allow():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line.partition("#")[0]) for line in lines if line[:1].isalpha()]
    (gradio,) = (each for each in wanted if each.name == "gradio")
    assert Version(SPACE["sdk_version"]) in gradio.specifier
    assert isinstance(SPACE["python_version"], str), "3.10 without quotes would be 3.1"
    low, high = PYTHONS
    assert low <= tuple(map(int, SPACE["python_version"].split("."))) <= high


def test_the_space_downloads_from_the_repositories_of_the_checkpoint_table():
    assert sorted(SPACE["models"]) == sorted(REPOSITORIES)
    found = {name: revision for name, (_, revision) in preloaded().items()}
    assert found == {name: each.revision for name, each in REPOSITORIES.items()}
    limits = SDXL_LIGHTNING.limits
    checkpoint = SDXL_LIGHTNING.checkpoint(limits.default_steps)
    assert preloaded()[SDXL_LIGHTNING.lightning.name][0] == [checkpoint.file]
