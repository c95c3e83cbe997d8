"""What a list asks for."""

from __future__ import annotations

from typing import Any

import pytest

from lightning_demo.errors import InvalidRequest
from lightning_demo.schemas import MAX_SEED
from lightning_demo.studio.plan import Bounds, Plan, make_plan
from lightning_demo.studio.table import Fault, Row, Table

from ..web.fakes import LIMITS

LISTS = {"animal": ("cat", "dog")}


def planned(
    *rows: dict[str, Any],
    seed: int = 1,
    faults: tuple[Fault, ...] = (),
    bounds: Bounds | None = None,
    **more: Any,
) -> Plan:
    table = Table(tuple(Row(i, row) for i, row in enumerate(rows, 1)), faults)
    return make_plan(table, LIMITS, more, seed, LISTS, bounds or Bounds())


def test_a_row_says_all_that_a_request_can_be():
    row = {"prompt": "a cat", "negative": "fog", "seed": 7, "size": "384x256", "steps": 8}
    (picture,) = planned({**row, "guidance": 2}).pictures
    assert (picture.number, picture.line, picture.template) == (1, 1, "a cat")
    assert picture.request.as_dict() == {
        "prompt": "a cat",
        "negative_prompt": "fog",
        "num_inference_steps": 8,
        "guidance_scale": 2.0,
        "seed": 7,
        "width": 384,
        "height": 256,
    }
    assert picture.file(1000, "png") == "0001-a-cat.png"


def test_what_a_row_does_not_say_is_as_for_all():
    first, second = planned(
        {"prompt": "a", "steps": 2}, {"prompt": "b"}, num_inference_steps=8
    ).pictures
    assert (first.request.num_inference_steps, second.request.num_inference_steps) == (2, 8)


def test_templates_counts_and_words_of_lists():
    pictures = planned({"prompt": "{a, b} __animal__", "seed": MAX_SEED, "count": 2}).pictures
    assert [(p.request.prompt[0], p.request.seed) for p in pictures] == [
        ("a", MAX_SEED),
        ("a", 0),
        ("b", MAX_SEED),
        ("b", 0),
    ]
    # The same seed draws the same words.
    words = [p.request.prompt[2:] for p in pictures]
    assert words[:2] == words[2:]
    assert set(words) <= {"cat", "dog"}
    assert {p.template for p in pictures} == {"{a, b} __animal__"}


def test_the_same_list_with_the_same_seed_is_the_same_plan():
    rows = ({"prompt": "a __animal__", "count": 3}, {"prompt": "b"})
    assert planned(*rows) == planned(*rows)
    seeds = {p.request.seed for p in planned(*rows).pictures}
    assert len(seeds) == 4
    assert seeds.isdisjoint(p.request.seed for p in planned(*rows, seed=2).pictures)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "prompt: type at least one"),
        ({"prompt": ""}, "prompt: type at least one"),
        ({"prompt": 7}, "prompt: must be text"),
        ({"prompt": "{,a}"}, "prompt: type at least one"),
        ({"prompt": "{a"}, "prompt: a brace is opened"),
        ({"prompt": "__plant__"}, "there is no list 'plant'"),
        ({"prompt": "a", "seed": -1}, "seed: must be a whole number from 0"),
        ({"prompt": "a", "seed": "seven"}, "seed: must be a whole number"),
        ({"prompt": "a", "steps": 3}, "num_inference_steps: must be one of 2, 4, 8"),
        ({"prompt": "a", "size": "big"}, "size: must be WIDTHxHEIGHT"),
        ({"prompt": "a", "size": 7}, "size: must be WIDTHxHEIGHT"),
        ({"prompt": "a", "size": "9999x256"}, "width: must be a multiple of 8 from 128 to 512"),
        ({"prompt": "a", "size": "256x256", "width": 256}, "width: is said twice"),
        ({"prompt": "a", "steps": 2, "num_inference_steps": 2}, "is said twice"),
        ({"prompt": "a", "count": 0}, "count: must be a whole number from 1 to 1,000"),
        ({"prompt": "a", "count": True}, "count: must be"),
        ({"prompt": "a", "size": "1" * 5000 + "x256"}, "size: must be WIDTHxHEIGHT"),
        ({"prompt": "a", "count": 1e9}, "count: must be"),
        ({"prompt": "a", "count": 1.5}, "count: must be"),
        ({"prompt": "a", "count": float("nan")}, "count: must be"),
        ({"prompt": "a", "count": float("inf")}, "count: must be"),
        ({"prompt": "a", "mood": "good"}, "mood: there is no such field"),
    ],
)
def test_a_fault_is_told_and_the_other_rows_are_kept(row: dict[str, Any], words: str):
    found = planned(row, {"prompt": "ok"}, faults=(Fault(9, "is not JSON."),))
    assert [picture.request.prompt for picture in found.pictures] == ["ok"]
    assert found.pictures[0].number == 1
    assert [fault.line for fault in found.faults] == [1, 9]
    assert words in found.faults[0].reason


def test_too_much_and_nothing():
    with pytest.raises(InvalidRequest, match="nothing in the list"):
        planned()
    rows: tuple[dict[str, Any], ...] = ({"prompt": "{a,b}", "count": 2}, {"prompt": "c"})
    few = Bounds(pictures=5, characters=4 * (5 + 1) + 2)
    assert len(planned(*rows, bounds=few).pictures) == 5
    with pytest.raises(InvalidRequest, match="more than 5 pictures"):
        planned({"prompt": "a", "count": 1000}, bounds=few)
    with pytest.raises(InvalidRequest, match="more than 26 characters"):
        planned(*rows[:1], {"prompt": "cd"}, bounds=few)


def test_a_row_that_is_at_fault_late_is_not_painted_in_part():
    found = planned({"prompt": "{a, __plant__}"}, {"prompt": "b"})
    assert [(p.number, p.request.prompt) for p in found.pictures] == [(1, "b")]
