"""What docs/reliability.md and SECURITY.md promise is held by tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.(?:py|test\.mjs))::([^`]+)`")
PROMISES = 32


def promises() -> list[str]:
    """Each numbered promise of the document, with its tests."""
    listed, _, _ = RELIABILITY.partition("## What is not promised")
    return re.split(r"^\d+\. ", listed, flags=re.MULTILINE)[1:]


@pytest.mark.parametrize(
    ("file", "name"), sorted(set(NAMED.findall(RELIABILITY) + NAMED.findall(SECURITY)))
)
def test_the_test_is_there(file: str, name: str):
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    words = f'test("{name}"' if file.endswith(".mjs") else f"def {name}("
    assert words in text, f"{file} has no {name}"


def test_every_promise_has_a_test():
    numbers = [int(n) for n in re.findall(r"^(\d+)\. ", RELIABILITY, flags=re.MULTILINE)]
    assert numbers == list(range(1, PROMISES + 1))
    for promise in promises():
        assert NAMED.search(promise), promise.splitlines()[0]


def test_links_lead_somewhere():
    for place, text in ((ROOT / "docs", RELIABILITY), (ROOT, SECURITY)):
        for link in re.findall(r"\]\(([^):#]+)", text):
            assert (place / link).exists(), link
