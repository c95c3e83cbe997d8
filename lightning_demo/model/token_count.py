"""How a prompt is read, without the model: its tokens, chunk by chunk, for whoever types it.

The same tokens as transformers' CLIPTokenizer makes (the tests compare them), from the same files,
by the library below it: torch is not imported.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from ..errors import CheckpointError, EngineUnavailable
from ..weighting import pieces
from .hub.files import find
from .token_chunks import COMMA, in_chunks
from .weights.model_spec import ModelSpec

# transformers' CLIPTokenizer; what looks like a mark is a mark there, too.
WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
MARKS = ("<|startoftext|>", "<|endoftext|>")


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring words of one weight in one chunk."""

    text: str
    chunk: int  # from 0; as many as there are chunks where it is not read
    weight: float


@dataclass(frozen=True, slots=True)
class Count:
    """A prompt as it is read."""

    tokens: int  # all of them, read or not
    size: int  # tokens of a chunk
    chunks: int
    cut: int  # tokens that are not read
    parts: tuple[Part, ...]


class TokenCounter:
    """Counts by the first text encoder's tokenizer."""

    def __init__(self, spec: ModelSpec) -> None:
        """
        Raises:
            EngineUnavailable: its files are not on this machine yet.
        """
        repository = spec.tokenizers or spec.base
        names = ("vocab.json", "merges.txt", "tokenizer_config.json")
        try:
            files = [find(repository, f"tokenizer/{name}", download=False) for name in names]
        except CheckpointError:
            raise EngineUnavailable("The model's words are not here yet.") from None
        self._tokenizer = _tokenizer(*files[:2])
        config = json.loads(files[2].read_text(encoding="utf-8"))
        self._size = int(config["model_max_length"]) - 2
        self._comma = self._tokenizer.token_to_id(COMMA)

    def count(self, prompt: str) -> Count:
        """How a prompt is read."""
        spans: list[_Span] = []
        number = itertools.count()

        def tokenize(text: str) -> Sequence[int]:
            """Called once for each piece of the prompt, in their order."""
            found = self._tokenizer.encode(text, add_special_tokens=False)
            piece = next(number)
            spans.extend(_Span(piece, text, *offsets) for offsets in found.offsets)
            return found.ids

        read = in_chunks(prompt, tokenize, self._size, self._comma)
        weights = [piece.weight for piece in pieces(prompt)]
        parts: list[Part] = []
        rest = iter(spans)
        for chunk, length in enumerate([*map(len, read.chunks), read.cut]):
            for piece, own in itertools.groupby(itertools.islice(rest, length), _Span.place):
                first, *others = own
                end = others[-1].end if others else first.end
                text = first.text[first.start : end]
                parts.append(Part(text, chunk, round(weights[piece], 3)))
        return Count(len(spans), self._size, len(read.chunks), read.cut, tuple(parts))


class _Span(NamedTuple):
    """Where a token stands in a piece of the prompt."""

    piece: int
    text: str
    start: int
    end: int

    def place(self) -> int:
        return self.piece


def _tokenizer(vocabulary: Path, merges: Path) -> Tokenizer:
    lines = merges.read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    tokenizer = Tokenizer(
        BPE(
            vocab=json.loads(vocabulary.read_text(encoding="utf-8")),
            merges=[(one, other) for one, other in pairs],
            end_of_word_suffix="</w>",
            continuing_subword_prefix="",
            unk_token=MARKS[1],
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens(list(MARKS))
    return tokenizer
