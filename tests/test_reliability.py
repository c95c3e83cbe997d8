"""What docs/reliability.md and SECURITY.md promise is held by tests that are there.

That each of the former is collected and runs: tests/faults/test_table.py.
"""

from __future__ import annotations

import re

import pytest

from .promises import DOCUMENT, NAMED, TESTS, promises

ROOT = TESTS.parent
RELIABILITY = DOCUMENT.read_text(encoding="utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "name"), sorted(set(NAMED.findall(RELIABILITY) + NAMED.findall(SECURITY)))
)
def test_the_test_is_there(file: str, name: str):
    text = (TESTS / file).read_text(encoding="utf-8")
    words = f'test("{name}"' if file.endswith(".mjs") else f"def {name}("
    assert words in text, f"{file} has no {name}"


def test_every_promise_has_a_test():
    listed = promises()
    assert [promise.number for promise in listed] == list(range(1, len(listed) + 1))
    assert len(listed) > 30
    assert [promise.title for promise in listed if not promise.tests] == []


def test_links_lead_somewhere():
    for place, text in ((ROOT / "docs", RELIABILITY), (ROOT, SECURITY)):
        for link in re.findall(r"\]\(([^):#]+)", text):
            assert (place / link).exists(), link
