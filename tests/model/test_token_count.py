"""The page's count of tokens is the one that the model reads by."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_demo.model.token_chunks import MAX_CHUNKS
from lightning_demo.model.token_count import TokenCounter
from lightning_demo.model.weights.checkpoints import MINIATURE


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    return TokenCounter(MINIATURE)


def check(counter: TokenCounter, tokenizer: Any, text: str) -> None:
    there = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    assert counter._tokenizer.encode(text, add_special_tokens=False).ids == there


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a red house",
        "A  Réd\thouse's 1234 猫 🐈!?",
        "<|endoftext|> a",
        "don't,we'll  -- ok",
        "é",
    ],
)
def test_tokens_are_those_of_transformers(counter: TokenCounter, miniature: Any, text: str):
    check(counter, miniature.tokenizers[0], text)


@settings(max_examples=100)
@given(st.text(max_size=40))
def test_of_any_text(counter: TokenCounter, miniature: Any, text: str):
    check(counter, miniature.tokenizers[0], text)


def test_a_prompt_as_it_is_read(counter: TokenCounter):
    count = counter.count("a (red:1.3) house [on] a hill")
    assert (count.tokens, count.size, count.chunks, count.cut) == (6, 30, 1, 0)
    told = [(part.text.strip(), part.chunk, part.weight) for part in count.parts]
    assert told == [
        ("a", 0, 1.0),
        ("red", 0, 1.3),
        ("house", 0, 1.0),
        ("on", 0, 0.909),
        ("a hill", 0, 1.0),
    ]


def test_a_long_one_says_what_is_not_read(counter: TokenCounter):
    count = counter.count("house " * 125)
    assert (count.tokens, count.chunks, count.cut) == (125, MAX_CHUNKS, 5)
    assert [len(part.text.split()) for part in count.parts] == [30, 30, 30, 30, 5]
    assert [part.chunk for part in count.parts] == [0, 1, 2, 3, 4]
