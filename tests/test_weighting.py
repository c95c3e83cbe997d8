"""Weights in prompts: AUTOMATIC1111's syntax, and its own examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.weighting import MAX_BRACKETS, MOST, pieces


def rounded(prompt: str) -> list[tuple[str, float]]:
    return [(text, round(weight, 4)) for text, weight in pieces(prompt)]


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        # Those of `parse_prompt_attention`'s own documentation.
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
        # What is written while somebody types.
        ("a (red:", [("a ", 1.0), ("red:", 1.1)]),
        ("a (red:1.", [("a ", 1.0), ("red:1.", 1.1)]),
        ("a (red:1.3)", [("a ", 1.0), ("red", 1.3)]),
        ("a (red : .5) cat", [("a ", 1.0), ("red ", 0.5), (" cat", 1.0)]),
        ("a (red:much)", [("a ", 1.0), ("red:much", 1.1)]),
        ("a smile :) here", [("a smile :) here", 1.0)]),
        ("at 10:30, ratio 3:2", [("at 10:30, ratio 3:2", 1.0)]),
        (r"a \\ b", [("a \\ b", 1.0)]),
        ("()", [("", 1.0)]),
        ("(a:1e9)", [("a:1e9", 1.1)]),
        ("(a:99999)", [("a", MOST)]),
    ],
)
def test_what_it_means(prompt: str, found: list[tuple[str, float]]):
    assert rounded(prompt) == found


def test_more_brackets_than_anybody_means_are_signs():
    prompt = "(" * (MAX_BRACKETS + 1) + "a"
    assert pieces(prompt) == [(prompt, 1.0)]
    assert pieces("(" * 100_000 + "a") == [("(" * 100_000 + "a", 1.0)]


@given(st.text(st.sampled_from("ab :()[]\\1.2,"), max_size=40))
def test_any_text_is_pieces_of_bounded_weights(prompt: str):
    found = pieces(prompt)
    assert found and all(abs(weight) <= MOST for _, weight in found)
    if not set(prompt) & set("()[]\\"):
        assert found == [(prompt, 1.0)]
