"""The words that the prompt box completes to, and that the page is told them."""

from __future__ import annotations

import json
from html import unescape

from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.model.weights.model_spec import Vocabulary
from lightning_demo.settings import Settings
from lightning_demo.web.server import Server
from lightning_demo.web.ui.completions import COMMON_WORDS, completions

from ..fakes import FakePair


def test_the_common_words_are_words() -> None:
    words = json.loads(COMMON_WORDS.read_text(encoding="utf-8"))
    assert 500 < len(words) < 800
    assert len(set(words)) == len(words)
    for word in words:
        assert word == word.strip().lower() and word.replace("-", "").isalpha(), word
    for small in ["a", "the", "in", "of", "at", "with", "on"]:
        assert words.index(small) < 30, "the most common come first"


def test_a_small_world_is_completed_to_its_own_words() -> None:
    words = completions(MINIATURE.vocabulary())
    assert {"house", "by the sea", "by", "the", "sea", "rainbow"} <= set(words)
    assert {"above", "meadow"} <= set(words), "also what only its examples have"
    assert len(set(words)) == len(words)
    assert words.index("pink") < words.index("pixel art") < words.index("pixel")
    assert completions(SDXL_LIGHTNING.vocabulary())[:2] == ["a", "the"]
    assert completions(Vocabulary({}, ())), "any words, when it has none of its own"


def test_a_page_with_a_stand_in_is_told_the_words_of_both() -> None:
    pair = FakePair()
    blocks = Server(pair.engine, Settings())._blocks.blocks.values()
    masthead = next(block for block in blocks if block.elem_id == "masthead")
    config = json.loads(unescape(masthead.value.split('data-config="')[1].split('"')[0]))
    assert config["completions"] == {
        spec.name: completions(spec.vocabulary()) for spec in (SDXL_LIGHTNING, MINIATURE)
    }
    pair.arrive()
