"""The word list: what nobody shall read on a wall, however it is spelt.

Texts and list are compared in one `spelling`. A letter counts that stands at least as often as in
the list: "fuuuck" is found, while "as" is not "ass". Stars stand for letters ("f*ck"), and letters
and pieces that stand apart ("f u c k", "fu.ck") are read together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby, pairwise

from .spelling import readings, spelling
from .word_file import NO_SPACES, read_words

BLOCKED = "Not on this wall, please: choose other words."
WILD = 3  # stars in one word that are read as letters
TOGETHER = 12  # pieces that stand apart, read as one word
# Pieces that are words themselves are not put together with their neighbours: "an US flag".
_SMALL = """ad ai al am an as at au be by da de di do du ek el em en er es et ex fa go ha he hi ho
 id il im in is it ja je jo la le li lo ma me mi mo mu my na ne ni no nu of oh ok on or os ou ox pa
 pi pe se si so su ta te ti to tu tv uk um un up us va ve vi we wo ya ye yo za ze zu"""
SMALL_WORDS = frozenset(_SMALL.split())
SINGLES = frozenset("bcdfghjklmnpqrstvwxz")  # letters that are no word
_LETTER = r"(?:[^\W_]|[\u0900-\u109f\u1780-\u17ff\u3099\u309a])"  # and marks that are parts of one
_TOKEN = re.compile(rf"{_LETTER}+(?:[’']{_LETTER}+)*")
_STARRED = re.compile(r"[^\W_]+\*[\w*]*")


class WordList:
    """Blocked words, and phrases in which they are harmless; knows nothing of who asks."""

    def __init__(self, lines: Iterable[str]) -> None:
        """
        Args:
            lines: as in a file of words (`word_file`), without notes.
        """
        self._whole, self._beginnings, self._anywhere = Entries(), Entries(), Entries()
        self._phrases, self._allowed = Phrases(), Phrases()
        self._harmless: list[str] = []  # allowed, in scripts without spaces
        self._by_length: defaultdict[int, set[str]] = defaultdict(set)
        for line in lines:
            self._add(line)
        self._is_blocked = lru_cache(20_000)(self._look_up)  # who types repeats most of it

    @classmethod
    def load(cls, more: str = "") -> WordList:
        """Our own list, and a file of the presenter's.

        Raises:
            InvalidSetting: naming file, line and what is wrong with it.
        """
        return cls(read_words(more))

    def blocks(self, text: str) -> bool:
        """Whether a word of the list is in it."""
        return any(self._found(reading) for reading in readings(text))

    def _add(self, line: str) -> None:
        allowed = line.startswith("!")
        bare = line.strip("!* ")
        words = _tokens(spelling(bare))
        if allowed:
            if NO_SPACES.search(bare):
                self._harmless.append(spelling(bare))
            self._allowed.add(words)
        elif len(words) > 1:
            self._phrases.add(words)
        else:
            for word in words:
                if line.startswith("*") or NO_SPACES.search(word):
                    self._anywhere.add(word)
                elif line.endswith("*"):
                    self._beginnings.add(word)
                else:
                    self._whole.add(word)
                self._by_length[len(word)].add(word)

    def _found(self, text: str) -> bool:
        for harmless in self._harmless:
            text = text.replace(harmless, " ")
        tokens = self._allowed.without(_tokens(text))
        return (
            any(self._is_blocked(token, True) for token in tokens)
            or any(self._is_blocked(joined, False) for joined in _joined(tokens))
            or any(self._is_blocked(glued, False) for glued in _glued(text))
            or any(self._is_wild(word) for word in _STARRED.findall(text))
            or self._phrases.are_in(tokens)
        )

    def _look_up(self, word: str, anywhere: bool) -> bool:
        letters, counts = shape_of(word)
        return (
            self._whole.has(letters, counts)
            or self._anywhere.has(letters, counts)
            or self._beginnings.begins(letters, counts)
            or (
                anywhere
                and any(self._anywhere.begins(letters, counts, at) for at in range(len(letters)))
            )
        )

    def _is_wild(self, word: str) -> bool:
        """Whether stars stand for letters of a word of the list."""
        stars = word.count("*")
        if stars > min(WILD, len(word) // 2) or len(word) < 4:
            return False
        return any(
            all(letter in ("*", other) for letter, other in zip(word, each, strict=True))
            for each in self._by_length.get(len(word), ())
        )


class Entries:
    """Words by their letters; a text's word is one of them if no letter stands less often."""

    def __init__(self) -> None:
        self._by_letters: defaultdict[str, list[tuple[int, ...]]] = defaultdict(list)
        self._longest = 0

    def add(self, word: str) -> None:
        """One more."""
        letters, counts = shape_of(word)
        self._by_letters[letters].append(counts)
        self._longest = max(self._longest, len(letters))

    def has(self, letters: str, counts: tuple[int, ...]) -> bool:
        """Whether it is one of them."""
        found = self._by_letters.get(letters, ())
        return any(all(map(int.__le__, wanted, counts)) for wanted in found)

    def begins(self, letters: str, counts: tuple[int, ...], start: int = 0) -> bool:
        """Whether one of them stands at `start`."""
        last = min(len(letters), start + self._longest)
        return any(
            self.has(letters[start:end], counts[start:end]) for end in range(start + 1, last + 1)
        )


class Phrases:
    """Several words in a row."""

    def __init__(self) -> None:
        self._by_first: defaultdict[str, list[list[str]]] = defaultdict(list)

    def add(self, words: list[str]) -> None:
        """One more."""
        self._by_first[words[0]].append(words)

    def are_in(self, tokens: list[str]) -> bool:
        """Whether one of them is."""
        return any(self._length(tokens, at) for at in range(len(tokens)))

    def without(self, tokens: list[str]) -> list[str]:
        """What is left when they are taken out."""
        left, at = [], 0
        while at < len(tokens):
            length = self._length(tokens, at)
            if not length:
                left.append(tokens[at])
            at += length or 1
        return left

    def _length(self, tokens: list[str], at: int) -> int:
        """How many words the longest has that stands there; 0: none does."""
        found = self._by_first.get(tokens[at], ())
        return max((len(p) for p in found if tokens[at : at + len(p)] == p), default=0)


def shape_of(word: str) -> tuple[str, tuple[int, ...]]:
    """A word's letters without repetition and how often each stands: "helo", (1, 1, 2, 1)."""
    runs = [(letter, len(list(run))) for letter, run in groupby(word)]
    return "".join(letter for letter, _ in runs), tuple(count for _, count in runs)


def _tokens(text: str) -> list[str]:
    return [token.replace("'", "").replace("’", "") for token in _TOKEN.findall(text)]


def _joined(tokens: list[str]) -> Iterator[str]:
    """Words whose letters or pieces stand apart, where the pieces are no words themselves."""
    for small, run in groupby(
        tokens, lambda t: len(t) == 1 or (len(t) == 2 and t not in SMALL_WORDS)
    ):
        pieces = list(run) if small else []
        for start in range(len(pieces)):
            for end in range(start + 2, min(len(pieces), start + TOGETHER) + 1):
                joined = pieces[start:end]
                if len(joined) > 2 or min(map(len, joined)) == 2:
                    yield "".join(joined)
    for first, second in pairwise(tokens):
        if (first in SINGLES and len(second) > 1) or (second in SINGLES and len(first) > 1):
            yield first + second


def _is_piece(token: str) -> bool:
    return len(token) == 1 or (len(token) == 2 and token not in SMALL_WORDS)


def _glued(text: str) -> Iterator[str]:
    """Words that are broken by signs alone: "fu-ck"; "push-it" is two words."""
    for word in text.split():
        pieces = _tokens(word)
        if len(pieces) > 1 and all(len(piece) <= 2 for piece in pieces):
            yield "".join(pieces)
