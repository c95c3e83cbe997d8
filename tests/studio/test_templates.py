"""Prompt templates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.errors import InvalidRequest
from lightning_demo.studio.templates import MAX_DEPTH, expand


@pytest.mark.parametrize(
    ("template", "prompts"),
    [
        ("a house", ["a house"]),
        ("", [""]),
        ("{house, boat}", ["house", "boat"]),
        (
            "a {house, boat} at {sunset, night}!",
            ["a house at sunset!", "a house at night!", "a boat at sunset!", "a boat at night!"],
        ),
        ("{a wide, wet street|a lake}", ["a wide, wet street", "a lake"]),
        ("{red {barn, house}, boat}", ["red barn", "red house", "boat"]),
        ("{{a, b}|c}", ["a", "b", "c"]),
        ("{, red} house", [" house", "red house"]),
        ("{house}", ["house"]),
        ("{}", [""]),
        (r"\{a, b\}", ["{a, b}"]),
        (r"{a\, b, c\|d}", ["a, b", "c|d"]),
        (r"back\slash \\ {猫, 🐈}", [r"back\slash \\ 猫", r"back\slash \\ 🐈"]),
        ("commas, and | bars", ["commas, and | bars"]),
    ],
)
def test_prompts(template: str, prompts: list[str]):
    assert expand(template) == prompts


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{a, b", "is opened and never closed"),
        ("a}", "closed that was never opened"),
        ("}{", "closed that was never opened"),
        ("{0,1,2,3,4,5,6,7,8,9}" * 5, "more than 10,000 prompts"),
        ("{" + "|".join(["{0,1,2,3,4,5,6,7,8,9}" * 4] * 5) + "}", "more than 10,000 prompts"),
        ("{a,b,c,d}" * 6 + "x" * 90_000, "more than 8,388,608 characters"),
        ("{" * 500 + "}" * 500, f"at most {MAX_DEPTH} braces"),
    ],
)
def test_what_is_wrong(template: str, words: str):
    with pytest.raises(InvalidRequest, match="^prompt: ") as raised:
        expand(template)
    assert words in str(raised.value)
    assert raised.value.field == "prompt"


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_can_be_written(texts: list[str]):
    escaped = []
    for text in texts:
        text = text.strip().rstrip("\\").strip().rstrip("\\")  # one that would escape what follows
        text = "".join(f"\\{sign}" if sign in "{},|" else sign for sign in text.replace("\\", ""))
        escaped.append(text.strip())
    wanted = [text.replace("\\", "") for text in escaped]
    assert expand("{" + "|".join(escaped) + "}") == wanted
