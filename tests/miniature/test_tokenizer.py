"""The tokenizer: known words are single tokens, and no text in any script is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from lightning_demo.miniature.tokenizer import (
    MAX_LENGTH,
    byte_alphabet,
    learn_merges,
    save_tokenizer,
)
from lightning_demo.miniature.vocabulary import known_words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(path, known_words())
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def test_every_known_word_is_one_token(tokenizer: CLIPTokenizer):
    # CLIP's pattern takes digits apart from letters, so "4k" is two words to it.
    for word in known_words():
        if word.isalpha():
            assert len(tokenizer(word).input_ids) == 3, word


@given(text=st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40))
def test_any_unicode_comes_back(tokenizer: CLIPTokenizer, text: str):
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)[1:-1]
    byte = {symbol: number for number, symbol in enumerate(byte_alphabet())}
    raw = bytes(byte[symbol] for token in tokens for symbol in token.replace("</w>", ""))
    normal = tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    special = ("<|startoftext|>", "<|endoftext|>")
    if not any(mark in normal for mark in special):
        assert raw.decode() == "".join(normal.split())


def test_saved_again_it_gives_the_same_ids(tokenizer: CLIPTokenizer, tmp_path: Path):
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path, local_files_only=True)
    for text in ("a red house by the sea", "zbrq 日本 🎈", "", "HOUSE,house"):
        assert again(text).input_ids == tokenizer(text).input_ids


def test_the_files_are_made_alike_from_any_order_of_words(folder: Path):
    assert learn_merges(reversed(known_words())) == learn_merges(known_words())
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


def test_long_prompts_are_cut(tokenizer: CLIPTokenizer):
    ids = tokenizer("red " * 100, truncation=True).input_ids
    assert len(ids) == MAX_LENGTH == tokenizer.model_max_length
    assert ids[-1] == tokenizer.eos_token_id
