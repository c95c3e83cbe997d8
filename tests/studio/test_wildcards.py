"""Wildcards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lightning_demo.errors import InvalidRequest, InvalidSetting
from lightning_demo.studio import wildcards
from lightning_demo.studio.wildcards import draw, read_lists

LISTS = {
    "animal": ("cat", "dog"),
    "places/far": ("a moon",),
    "both": ("__animal__ on __places/far__",),
}


def test_lists_are_read_by_their_paths(tmp_path: Path):
    (tmp_path / "places").mkdir()
    (tmp_path / "places" / "far.txt").write_bytes("\ufeffa moon\r\n\r\n# no\r\n  猫 \r\n".encode())
    (tmp_path / "animal.txt").write_text("cat")
    (tmp_path / "notes.md").write_text("no list")
    assert read_lists(tmp_path) == {"animal": ("cat",), "places/far": ("a moon", "猫")}


def test_a_seed_draws_the_same_words_for_ever():
    drawn = [draw("a __animal__ and a __animal__", LISTS, seed) for seed in range(6)]
    assert drawn == [
        "a cat and a dog",
        "a dog and a dog",
        "a cat and a cat",
        "a cat and a cat",
        "a dog and a dog",
        "a dog and a dog",
    ]
    many = Counter(draw("__animal__", LISTS, seed) for seed in range(1000))
    assert 400 < many["cat"] < 600


def test_lists_name_lists():
    assert draw("__both__!", LISTS, 1) in ("cat on a moon!", "dog on a moon!")
    assert draw("snake_case __ and ____", LISTS, 1) == "snake_case __ and ____"


def test_names_may_stand_side_by_side():
    lists = {"a": ("cat",), "b_c": ("dog",), "x/b_c": ("far",)}
    for between in ("-", "/", "", " ", "x"):
        assert draw(f"__a__{between}__b_c__", lists, 1) == f"cat{between}dog"
    assert draw("__x/b_c____a___house", lists, 1) == "farcat_house"


def test_what_is_nearly_a_name_is_passed_over_at_once():
    for nearly in ("__a/" * 25_000, "__" + "a" * 99_998):
        assert draw(nearly, LISTS, 1) == nearly


@pytest.mark.parametrize(
    ("prompt", "lists", "words"),
    [
        ("__plant__", LISTS, "there is no list 'plant'; the lists are: animal, both, places/far"),
        ("__plant__", {}, "for no lists were given"),
        ("__../etc__", {"a": ("b",)}, None),
        ("__a__", {"a": ()}, "there is nothing in the list 'a'"),
        ("__a__", {"a": ("__a__ __a__",)}, "more than 100 words"),
    ],
)
def test_what_is_wrong(prompt: str, lists: wildcards.Lists, words: str | None):
    if words is None:
        assert draw(prompt, lists, 1) == prompt
        return
    with pytest.raises(InvalidRequest, match="^prompt: ") as raised:
        draw(prompt, lists, 1)
    assert words in str(raised.value)


def test_folders_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InvalidSetting, match="is not a folder"):
        read_lists(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSetting, match=r"a.txt must be UTF-8"):
        read_lists(tmp_path)
    monkeypatch.setattr(wildcards, "MAX_BYTES", 2)
    with pytest.raises(InvalidSetting, match="is larger than"):
        read_lists(tmp_path)
