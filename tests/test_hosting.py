"""The documents' commands and options exist, and the Dockerfile builds what is here."""

from __future__ import annotations

import argparse
import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_demo.cli import build_parser
from lightning_demo.generate import KEY
from lightning_demo.late_parser import LateParser
from lightning_demo.settings import FALLBACK_KEY, Settings, variable

from .test_readme import SPACE

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# Programs that the documents name with options of their own.
OTHERS = ("docker", "pip", "git", "curl", "useradd", "ray ", "python -m pytest")


def commands() -> Iterator[tuple[str, str]]:
    """Every command line of ours in the documents: (document, what follows the program)."""
    for name, text in TEXT.items():
        blocks = re.findall(r"```(?:bash|ini)\n(.*?)```", text, re.DOTALL)
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines() + spans
        for line in lines:
            for part in re.split(r"&&|\|", line):
                ours = re.search(r"python3? (app\.py|-m lightning_demo)(.*)", part)
                if ours and "…" not in ours[2] and "COMMAND" not in ours[2]:
                    served = "serve" if ours[1] == "app.py" else ""
                    yield name, f"{served}{ours[2].partition(' #')[0]}"


def options(parser: argparse.ArgumentParser) -> set[str]:
    """All options of a parser and of those below it."""
    found: set[str] = set()
    for action in parser._actions:
        found.update(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                if isinstance(below, LateParser):
                    below.declare()
                found |= options(below)
    return found


@pytest.mark.parametrize(("document", "command"), sorted(set(commands())))
def test_every_command_is_one(document: str, command: str):
    try:
        build_parser().parse_args(shlex.split(command))
    except SystemExit as ended:
        assert ended.code == 0, f"{document}: {command}"  # --help and --version end with 0


@pytest.mark.parametrize("document", sorted(TEXT))
def test_every_option_in_the_text_is_one(document: str):
    text = re.sub(r"```.*?```", "", TEXT[document], flags=re.DOTALL)
    known = options(build_parser())
    for span in re.findall(r"`([^`\n]+)`", text):
        if span.startswith(OTHERS) or span == "--gpus all":
            continue
        for option in re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", span):
            assert option in known, f"{document}: {span}"


def test_every_variable_is_that_of_a_setting():
    known = {variable(name) for name in Settings.__dataclass_fields__}
    known |= {KEY, FALLBACK_KEY}
    for name, text in [*TEXT.items(), ("Dockerfile", DOCKERFILE)]:
        for found in re.findall(r"LIGHTNING_[A-Z0-9_]*[A-Z0-9]", text):
            assert found in known, f"{name}: {found}"


def test_every_file_it_links_to_is_there_and_so_is_every_heading():
    text = TEXT["hosting.md"]
    slugs = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^):]+)\)", text):
        file, _, heading = link.partition("#")
        assert not file or (ROOT / "docs" / file).exists(), link
        assert file or heading in slugs, link


def test_the_service_starts_the_demo():
    (unit,) = re.findall(r"```ini\n(.*?)```", TEXT["hosting.md"], re.DOTALL)
    parsed = configparser.ConfigParser(strict=True, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(unit)
    service = parsed["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program.startswith(service["WorkingDirectory"])
    assert (ROOT / arguments[0]).is_file()
    build_parser().parse_args(["serve", *arguments[1:]])


def test_the_dockerfile_copies_all_that_runs_and_runs_as_nobody_special():
    copied = {
        name for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M) for name in line.split()[:-1]
    }
    requirements = {"requirements.txt", "requirements-compile.txt"}
    assert copied == {*requirements, "app.py", "lightning_demo", "assets"}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    (command,) = re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == ["python", "app.py"]
    assert DOCKERFILE.index("USER ") < DOCKERFILE.index(f"CMD {command}")
    (version,) = re.findall(r"^FROM python:([\d.]+)-slim$", DOCKERFILE, re.MULTILINE)
    assert version == SPACE["python_version"], "the Python that is meant to be used everywhere"


def test_the_dockerfiles_health_check_is_ours():
    """That it finds servers, with a certificate or without: tests/web/test_tls.py."""
    (check,) = re.findall(r"HEALTHCHECK [^[]*(\[.+\])", DOCKERFILE)
    python, *module, command = json.loads(check)
    assert (python, module) == ("python", ["-m", "lightning_demo"])
    build_parser().parse_args([command])
