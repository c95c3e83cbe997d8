"""The pages for speakers say what is true: their commands are understood, their links lead on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lightning_demo.cli import build_parser
from lightning_demo.commands.options import settings_from

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGES = ("talks.md", "kiosk.md")
OURS = re.compile(r"python (?:-m lightning_demo|app\.py)(?: [^`#\n…]*)?")


def commands() -> list[str]:
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES)
    return sorted({found.strip() for found in OURS.findall(text)})


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood_with_its_options(command: str) -> None:
    words = shlex.split(command)[1:]
    words = ["serve", *words[1:]] if words[0] == "app.py" else words[2:]
    args = build_parser().parse_args(words)
    assert callable(args.run)
    settings_from(args)  # what excludes each other is refused here


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        target = (DOCS / (name or page)).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", target, re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
        assert not anchor or anchor in anchors, (name, anchor)
