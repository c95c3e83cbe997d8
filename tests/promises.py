"""What docs/reliability.md promises, and the tests that it names for each promise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
DOCUMENT = TESTS.parent / "docs" / "reliability.md"
NAMED = re.compile(r"`([\w/]+\.(?:py|test\.mjs))::([^`]+)`")
# Node runs all of these in one go; this is the test of pytest that lets it.
SCRIPTS = "web_scripts/test_scripts.py", "test_the_scripts_that_need_no_page"

Test = tuple[str, str]  # a file below `tests`, and the function or title in it


@dataclass(frozen=True, slots=True)
class Promise:
    """One numbered row of the document."""

    number: int
    title: str  # its first words, in bold there
    tests: tuple[Test, ...]

    @property
    def run(self) -> frozenset[Test]:
        """What pytest runs for it: node's tests by the one that runs them."""
        return frozenset(SCRIPTS if file.endswith(".mjs") else (file, n) for file, n in self.tests)


def promises() -> list[Promise]:
    """All rows, in their order."""
    listed, _, _ = DOCUMENT.read_text(encoding="utf-8").partition("## What is not promised")
    parts = re.split(r"^(\d+)\. ", listed, flags=re.MULTILINE)[1:]
    return [
        Promise(int(number), _title(text), tuple(NAMED.findall(text)))
        for number, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def _title(text: str) -> str:
    found = re.match(r"\*\*(.+?)\*\*", text, re.DOTALL)
    return " ".join((found[1] if found else text.splitlines()[0]).split()).rstrip(".")
