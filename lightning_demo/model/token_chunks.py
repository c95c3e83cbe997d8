"""Long prompts in chunks, each as long as a text encoder reads at once.

CLIP reads 77 tokens, of which the first and last are marks; longer prompts are read in chunks of 75
that are laid side by side, as AUTOMATIC1111's web UI introduced it (`modules/sd_hijack_clip.py`):
where a comma is near the end of a full chunk, what follows it begins the next one. Knows numbers of
tokens only: the page counts by the same rules as the model reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..weighting import pieces

MAX_CHUNKS = 4  # each takes its time in every step, and 26 MB of SDXL's projected keys and values
COMMA = ",</w>"  # as the vocabularies of CLIP write it
COMMA_BACKTRACK = 20  # tokens

Tokenize = Callable[[str], Sequence[int]]  # a text's tokens, without marks


class Token(NamedTuple):
    """One token of a prompt."""

    number: int
    weight: float = 1.0


class Chunks(NamedTuple):
    """A prompt as it is read."""

    chunks: list[list[Token]]  # at least one, perhaps empty
    cut: int  # tokens that are not read

    def numbers(self, chunk: int) -> list[int]:
        """The tokens of a chunk; none of one that is not there."""
        return [token.number for token in self.chunks[chunk]] if chunk < len(self.chunks) else []

    @property
    def plain(self) -> bool:
        """Whether it is one chunk in which nothing has a weight."""
        weighted = any(token.weight != 1 for token in self.chunks[0])
        return len(self.chunks) == 1 and not weighted and not self.cut


def in_chunks(prompt: str, tokenize: Tokenize, size: int, comma: int | None) -> Chunks:
    """Takes a prompt apart.

    Args:
        size: tokens of a chunk, without marks.
        comma: the number of the token that is a comma; None where there is none.
    """
    tokens = [
        Token(number, piece.weight) for piece in pieces(prompt) for number in tokenize(piece.text)
    ]
    chunks: list[list[Token]] = []
    start = 0
    while start < len(tokens) and len(chunks) < MAX_CHUNKS:
        end = _end(tokens, start, size, comma)
        chunks.append(tokens[start:end])
        start = end
    return Chunks(chunks or [[]], len(tokens) - start)


def _end(tokens: Sequence[Token], start: int, size: int, comma: int | None) -> int:
    """Where a chunk ends that begins at a token."""
    end = start + size
    if end >= len(tokens):
        return len(tokens)
    for place in range(end - 1, max(start, end - 1 - COMMA_BACKTRACK), -1):
        if tokens[place].number == comma:
            return place + 1
    return end
