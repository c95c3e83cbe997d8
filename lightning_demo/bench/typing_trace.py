"""Somebody typing: which text stands in the box when, and how what came back is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .report import p50_p95

KEYS_PER_SECOND = 8.0
SENTENCES = (  # 40 characters each
    "a red house by the sea at sunset, calm",
    "two yellow balloons over the mountains",
    "a white cat in the city on a dark night",
)
CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Trace:
    """One sentence typed with one seed; key `n` makes the box hold `texts[n]`."""

    texts: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as it arrived: when (seconds), for which key, and whether it is finished."""

    at: float
    key: int
    final: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """A trace as it went: when each key was pressed and what was shown."""

    keys: tuple[float, ...]
    shown: tuple[Shown, ...]


def trace(number: int) -> Trace:
    """The typing of round `number`: sentences in turn, a seed of its own each time."""
    sentence = SENTENCES[number % len(SENTENCES)].ljust(CHARACTERS, "!")[:CHARACTERS]
    return Trace(tuple(sentence[: n + 1] for n in range(CHARACTERS)), seed=1000 + number)


def score(rounds: Sequence[Typed]) -> dict[str, object]:
    """What a user felt.

    First paint: from a key to the first picture of that key or a later one. Last key to final:
    until the finished picture of the whole text. Pictures while typing: different texts of which
    something was shown before the last key.
    """
    first, last, pictures = [], [], []
    for typed in rounds:
        for key, pressed in enumerate(typed.keys):
            arrivals = [s.at for s in typed.shown if s.key >= key]
            if arrivals:
                first.append((min(arrivals) - pressed) * 1000)
        end = len(typed.keys) - 1
        last.append(
            (min(s.at for s in typed.shown if s.key == end and s.final) - typed.keys[-1]) * 1000
        )
        pictures.append(len({s.key for s in typed.shown if s.at <= typed.keys[-1]}))
    return {
        "first_paint_ms": p50_p95(first),
        "last_key_to_final_ms": p50_p95(last),
        "pictures_while_typing": round(sum(pictures) / len(pictures), 1),
    }
