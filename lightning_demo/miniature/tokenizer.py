"""Byte-pair tokenizer files in the layout that CLIPTokenizer reads.

Byte-level BPE (Sennrich et al., arXiv 1508.07909, over bytes as in GPT-2): every known word is
one token, anything else falls into smaller pieces, down to single bytes, so no text fails.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

MAX_LENGTH = 32  # tokens, start and end included
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def byte_alphabet() -> list[str]:
    """The printable character that stands for each byte 0..255, as in GPT-2 and CLIP."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def learn_merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """The merges, in order, after which every word is a single token.

    The most frequent pair is merged first, ties by alphabet, so the result depends on the set
    of words only.
    """
    return list(_learn_merges(frozenset(words)))


@cache  # a model has two tokenizers of the same words
def _learn_merges(words: frozenset[str]) -> tuple[tuple[str, str], ...]:
    alphabet = byte_alphabet()
    pieces: list[list[str]] = []
    for word in sorted(words):
        symbols = [alphabet[byte] for byte in word.encode()]
        pieces.append([*symbols[:-1], symbols[-1] + WORD_END])
    counts = Counter(pair for word in pieces for pair in pairwise(word))
    merges: list[tuple[str, str]] = []
    while counts:
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for number, word in enumerate(pieces):
            if best[0] in word and best in pairwise(word):
                pieces[number] = _merge(word, best)
                counts.subtract(pairwise(word))
                counts.update(pairwise(pieces[number]))
        counts = +counts  # without those that are no more
    return tuple(merges)


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    position = 0
    while position < len(word):
        if tuple(word[position : position + 2]) == pair:
            merged.append("".join(pair))
            position += 2
        else:
            merged.append(word[position])
            position += 1
    return merged


def build_vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Token -> id in CLIP's order: bytes, bytes that end a word, merges, start, end."""
    alphabet = sorted(byte_alphabet())
    tokens = [*alphabet, *(symbol + WORD_END for symbol in alphabet)]
    tokens += dict.fromkeys("".join(pair) for pair in merges)
    return {token: number for number, token in enumerate([*tokens, START, END])}


def save_tokenizer(folder: Path, words: Iterable[str], *, pad_token: str = END) -> None:
    """Writes vocab.json, merges.txt and the two configuration files of a CLIPTokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges(words)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad_token}
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": MAX_LENGTH,
        "add_prefix_space": False,
        "do_lower_case": True,
        "clean_up_tokenization_spaces": True,
        "errors": "replace",
        **special,
    }
    _write_json(folder / "vocab.json", build_vocabulary(merges))
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write_json(folder / "special_tokens_map.json", special)
    _write_json(folder / "tokenizer_config.json", config)


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=None if len(str(value)) > 5000 else 2)
    path.write_text(text + "\n", encoding="utf-8")
