"""Somebody types words at the page, with guesses and without; no figure decides a test."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise

import pytest

from lightning_demo.bench import ahead, browser, chromium, typists
from lightning_demo.cli import main


def first_words(number: int, *, known: bool) -> typists.Typist:
    """Somebody who types until the first rest."""
    whole = typists.word_typist(number, known=known)
    until = next(place for place, key in enumerate(whole.keys) if key.waits)
    return replace(whole, keys=whole.keys[: until + 1])


@pytest.mark.browser
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("forked_servers")
def test_words_are_guessed_and_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    if chromium.find() is None and os.environ.get("LIGHTNING_REQUIRE_BROWSER") != "1":
        pytest.skip("no browser")
    monkeypatch.setattr(browser, "PATIENCE", 200.0)  # a busy machine loses nothing
    monkeypatch.setattr(ahead, "word_typist", first_words)
    monkeypatch.setattr(ahead, "LOOK", 2.5)
    monkeypatch.setattr(ahead, "REST", 0.2)
    monkeypatch.setattr(ahead, "KINDS", {"of its own words": True})
    few = ["--rounds", "1", "--num-inference-steps", "2", "--threads", "1"]
    assert main(["bench", "ahead", *few]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    (ways,) = result["sentences"].values()
    without, guessed = (ways[name] for name in ("without", "with guesses"))
    assert without["ahead_steps_share"] == without["hit_rate"] == without["in_vain"] == 0
    for way in (without, guessed):
        assert way["lost_finals"] == 0
        assert way["click_to_final_ms"]["p50"] > 0
        # A machine that is too slow for guesses makes none.
        assert all(0 <= way[name] <= 1 for name in ("ahead_steps_share", "hit_rate", "in_vain"))


@pytest.mark.parametrize("known", [True, False])
def test_who_types_words_looks_at_the_picture_between_them(known: bool):
    for number in range(8):
        keys = typists.word_typist(number, known=known).keys
        assert keys == typists.word_typist(number, known=known).keys
        for before, key in pairwise(keys):
            assert key.text[:-1] == before.text
            assert before.waits == (key.at - before.at >= typists.WAIT)
            assert not before.waits or key.text.endswith(" ")
        assert sum(key.waits for key in keys) == 3
        assert keys[-1].waits
