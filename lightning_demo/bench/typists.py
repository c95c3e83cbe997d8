"""Many people typing: what stands in whose box when. Everything follows from a seed.

A typist writes in bursts of 4 to 25 keys, 90 to 260 ms apart, and rests in between: a hesitation, a
look at the picture, now and then a long thought. Wrong letters and second thoughts are taken back
key by key; what has grown long is selected and written over.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

BURST = (4, 25)  # keys
BETWEEN_KEYS = (0.09, 0.26)  # seconds
HESITATION = (0.4, 0.9)  # seconds; too short to wait for a picture
LOOK = (1.0, 3.0)
THOUGHT = (3.0, 6.0)
PAUSES = (HESITATION, LOOK, THOUGHT)
HOW_OFTEN = (0.3, 0.55, 0.15)
STARTS_WITHIN = 2.0  # seconds; nobody begins at the same moment
WAIT = 1.0  # seconds; whoever rests for so long waits for the finished picture
LONG = 64  # characters; then a new sentence is begun
TYPO = 0.04  # of all keys
SECOND_THOUGHT = 0.3  # of all sentences
SEED_SPACING = 1009  # a prime between the seeds of two typists
PRESENTER, FIRST_PHONE = 0, 1  # numbers of a talk's typists; further phones follow

# The one steady typist of `bench live`.
KEYS_PER_SECOND = 8.0
CHARACTERS = 24  # of each sentence

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "pink", "purple", "orange")
THINGS = ("house", "castle", "tree", "cat", "dog", "boat", "train", "balloon", "lighthouse")
PLACES = ("by the sea", "in the hills", "in the snow", "in the city", "in the desert", "in space")
ORDINARY = (  # in the parts after which people look
    ("an old fisherman", "mending his nets", "on a wooden pier"),
    ("portrait of a dancer", "in motion", "soft window light"),
    ("a cup of coffee", "on a marble table", "morning sun"),
    ("two children", "building a kite", "in an orchard"),
    ("a brutalist library", "covered in ivy", "overcast sky"),
    ("close-up of a beetle", "on wet moss", "macro photograph"),
)
TIMES = ("at sunset", "at night", "by day", "in the rain", "in the fog", "under a rainbow")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the box holds `text` from `at` on."""

    at: float  # seconds since everybody's beginning
    text: str  # never empty, never the same as before
    waits: bool  # the typist now rests for at least `WAIT`, or has finished


@dataclass(frozen=True, slots=True)
class Typist:
    """One visit of one user: every key, and the seed of all pictures."""

    keys: tuple[Key, ...]
    seed: int


def typist(number: int, visit: int, seconds: float) -> Typist:
    """The typing of user `number` (0, 1, …) on the given visit (0, 1, …), each another.

    Args:
        seconds: no burst begins after these, and one that is being typed ends soon: no key comes
            later than `STARTS_WITHIN` and four keys after them.
    """
    seed = 1 + number + SEED_SPACING * visit
    rng = random.Random(seed)  # noqa: S311
    begin = rng.uniform(0, STARTS_WITHIN)
    texts = _texts(rng)
    keys: list[Key] = []
    now = 0.0
    while now < seconds:
        length = rng.randint(*BURST)
        for number_in_burst in range(length):
            if number_in_burst >= BURST[0] and now > seconds:
                break
            keys.append(Key(begin + now, next(texts), waits=False))
            now += rng.uniform(*BETWEEN_KEYS)
        (pause,) = rng.choices(PAUSES, HOW_OFTEN)
        now = keys[-1].at - begin + rng.uniform(*pause)
    following = [key.at for key in keys[1:]] + [float("inf")]
    rests = [after - key.at >= WAIT for key, after in zip(keys, following, strict=True)]
    marked = (Key(key.at, key.text, rest) for key, rest in zip(keys, rests, strict=True))
    return Typist(tuple(marked), seed)


def steady_typist(number: int) -> Typist:
    """The typing of round `number`: a sentence without a pause, and with a seed of its own.

    Another sentence each time: a prompt that was met before would not be encoded again.
    """
    rng = random.Random(number)  # noqa: S311
    words = f"{rng.choice(COLOURS)} {rng.choice(THINGS)} {rng.choice(PLACES)} {rng.choice(TIMES)}"
    sentence = f"{number} {words}"[:CHARACTERS]
    keys = (
        Key(n / KEYS_PER_SECOND, sentence[: n + 1], waits=n == CHARACTERS - 1)
        for n in range(CHARACTERS)
    )
    return Typist(tuple(keys), seed=1000 + number)


def word_typist(number: int, *, known: bool) -> Typist:
    """The typing of round `number`: a sentence word by word, with a look at the picture after some.

    Args:
        known: whether it is made of the miniature's words; else it is one that people write.
    """
    rng = random.Random(number)  # noqa: S311
    parts: tuple[str, ...] = ORDINARY[number % len(ORDINARY)]
    if known:
        parts = tuple(rng.choice(each) for each in (COLOURS, THINGS, PLACES, TIMES))
        parts = (f"a {parts[0]} {parts[1]}", *parts[2:])
    keys: list[Key] = []
    text, now = "", 0.0
    for part in parts:
        for letter in f" {part}" if text else part:
            text += letter
            keys.append(Key(now, text, waits=False))
            now += rng.uniform(*BETWEEN_KEYS)
        keys[-1] = replace(keys[-1], waits=True)
        now = keys[-1].at + WAIT + rng.uniform(*BETWEEN_KEYS)
    return Typist(tuple(keys), seed=2 * number)


def _texts(rng: random.Random) -> Iterator[str]:
    """What the box holds after each key, without end."""
    text = ""
    while True:
        goal = f"a {rng.choice(COLOURS)} {rng.choice(THINGS)} {rng.choice(PLACES)}"
        if text:
            goal = f"{text}, {rng.choice(TIMES)}"
        yield from _typed(text, goal, rng)
        text = goal
        if rng.random() < SECOND_THOUGHT:
            word = text.rpartition(" ")[2]
            stem = text.removesuffix(word)
            yield from (text[:end] for end in range(len(text) - 1, len(stem) - 1, -1))
            text = stem + rng.choice([each for each in COLOURS + THINGS if each != word])
            yield from _typed(stem, text, rng)
        if len(text) > LONG:
            text = ""  # selected: the next letter replaces all of it


def _typed(text: str, goal: str, rng: random.Random) -> Iterator[str]:
    """The rest of `goal` behind `text`, its beginning; typos are taken back at once."""
    for end in range(len(text), len(goal)):
        before, right = goal[:end], goal[end]
        if before and rng.random() < TYPO:
            yield before + rng.choice([letter for letter in "etaoinshrdlu" if letter != right])
            yield before
        yield goal[: end + 1]
