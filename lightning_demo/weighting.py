r"""Weights written into a prompt, in AUTOMATIC1111's syntax, which most tools share.

`(word)` counts 1.1 times, `[word]` 1 / 1.1 times, `(word:1.3)` as often as it says; brackets
may stand in others. `\(`, `\)`, `\[`, `\]` and `\\` are ordinary signs. What is opened and never
closed reaches to the end; what is closed and was never opened is a sign. After `modules/
prompt_parser.py` of AUTOMATIC1111's stable-diffusion-webui (`parse_prompt_attention`); `compel` has
another syntax, and it and `sd_embed` call the text encoders themselves, past what is compiled and
batched here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

ROUND, SQUARE = 1.1, 1 / 1.1
MOST = 10.0  # a weight; beyond, all tools' pictures are noise
MAX_BRACKETS = 500  # of a prompt with more, all are signs
_MARKS = re.compile(r"[()\[\]\\]")
_PIECES = re.compile(
    r"\\[()\[\]\\]|\\|[(\[]|:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)|[)\]]|[^\\()\[\]:]+|:"
)


class Piece(NamedTuple):
    """Some words of a prompt, and how much they count."""

    text: str
    weight: float = 1.0


def pieces(prompt: str) -> list[Piece]:
    """A prompt in pieces of one weight each; at least one."""
    if not 0 < len(_MARKS.findall(prompt)) <= MAX_BRACKETS:
        return [Piece(prompt)]
    texts: list[str] = []
    weights: list[float] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def weigh(start: int, weight: float) -> None:
        for place in range(start, len(weights)):
            weights[place] *= weight

    for found in _PIECES.finditer(prompt):
        text = found[0]
        if text in opened:
            opened[text].append(len(texts))
        elif found[1] is not None and opened["("]:
            weigh(opened["("].pop(), float(found[1]))
        elif text == ")" and opened["("]:
            weigh(opened["("].pop(), ROUND)
        elif text == "]" and opened["["]:
            weigh(opened["["].pop(), SQUARE)
        else:
            texts.append(text[1:] if len(text) == 2 and text[0] == "\\" else text)
            weights.append(1.0)
    for start in opened["("]:
        weigh(start, ROUND)
    for start in opened["["]:
        weigh(start, SQUARE)
    return _joined(texts, weights) or [Piece("")]


def _joined(texts: Sequence[str], weights: Sequence[float]) -> list[Piece]:
    """Neighbours of the same weight as one."""
    found: list[Piece] = []
    for text, given in zip(texts, weights, strict=True):
        weight = max(-MOST, min(MOST, given))
        if found and found[-1].weight == weight:
            found[-1] = Piece(found[-1].text + text, weight)
        else:
            found.append(Piece(text, weight))
    return found
