"""Typists: the same from the same seed, of the promised shape, and long enough at their keys."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.bench.typists import (
    BETWEEN_KEYS,
    BURST,
    CHARACTERS,
    STARTS_WITHIN,
    WAIT,
    Typist,
    steady_typist,
    typist,
    word_typist,
)
from lightning_demo.schemas import MAX_SEED

users = st.integers(0, 199)
visits = st.integers(0, 100)
lengths = st.floats(1, 40)
EXACT = 1e-6  # seconds


def bursts(typing: Typist) -> list[int]:
    """How many keys come without a pause between them."""
    found = [1]
    for before, key in zip(typing.keys, typing.keys[1:], strict=False):
        if key.at - before.at > BETWEEN_KEYS[1] + EXACT:
            found.append(0)
        found[-1] += 1
    return found


@given(users, visits, lengths)
def test_a_typist_follows_from_its_numbers(user: int, visit: int, seconds: float):
    assert typist(user, visit, seconds) == typist(user, visit, seconds)


@given(users, visits, lengths)
def test_keys_come_in_bursts_with_pauses(user: int, visit: int, seconds: float):
    typing = typist(user, visit, seconds)
    assert 0 <= typing.keys[0].at <= STARTS_WITHIN
    assert typing.keys[-1].at <= STARTS_WITHIN + seconds + BURST[0] * BETWEEN_KEYS[1]
    assert all(BURST[0] <= length <= BURST[1] for length in bursts(typing))
    gaps = [after.at - key.at for key, after in zip(typing.keys, typing.keys[1:], strict=False)]
    assert all(gap >= BETWEEN_KEYS[0] - EXACT for gap in gaps)
    rests = [gap >= WAIT for gap in gaps] + [True]
    assert [key.waits for key in typing.keys] == rests


@given(users, visits, lengths)
def test_each_key_changes_the_box_by_one_letter(user: int, visit: int, seconds: float):
    texts = [key.text for key in typist(user, visit, seconds).keys]
    assert texts[0] == "a"
    for before, text in zip(texts, texts[1:], strict=False):
        written, taken_back, begun_anew = text[:-1] == before, text == before[:-1], len(text) == 1
        assert written or taken_back or begun_anew
        assert text != before


def test_many_typists_take_letters_back_and_differ():
    crowd = [typist(user, 0, 16) for user in range(64)]
    shrinking = [
        user
        for user, typing in enumerate(crowd)
        if any(
            len(after.text) < len(key.text)
            for key, after in zip(typing.keys, typing.keys[1:], strict=False)
        )
    ]
    assert len(shrinking) > 32
    assert len({typing.seed for typing in crowd}) == 64
    assert len({tuple(key.at for key in typing.keys) for typing in crowd}) == 64
    assert 2 < sum(sum(key.waits for key in typing.keys) for typing in crowd) / 64 < 6


@given(st.tuples(users, visits), st.tuples(users, visits))
def test_no_two_users_share_a_picture(one: tuple[int, int], other: tuple[int, int]):
    seeds = typist(*one, 1).seed, typist(*other, 1).seed
    assert all(0 <= seed <= MAX_SEED for seed in seeds)
    assert (seeds[0] == seeds[1]) == (one == other)


def test_the_steady_typist_never_types_the_same_and_waits_at_the_end():
    first, second = steady_typist(0), steady_typist(1)
    assert [len(key.text) for key in first.keys] == list(range(1, CHARACTERS + 1))
    assert [key.waits for key in first.keys] == [False] * (CHARACTERS - 1) + [True]
    assert first.seed != second.seed
    texts = {key.text for number in range(-1, 40) for key in steady_typist(number).keys[4:]}
    assert len(texts) == 41 * (CHARACTERS - 4)


@pytest.mark.parametrize("known", [True, False])
def test_who_types_words_looks_at_the_picture_between_them(known: bool):
    for number in range(8):
        keys = word_typist(number, known=known).keys
        assert keys == word_typist(number, known=known).keys
        for before, key in pairwise(keys):
            assert key.text[:-1] == before.text
            assert before.waits == (key.at - before.at >= WAIT)
            assert not before.waits or key.text.endswith(" ")
        assert sum(key.waits for key in keys) == 3
        assert keys[-1].waits
