"""Bodies as pydantic models, and the sentences for what does not fit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from lightning_demo.web.api.reading import InvalidFields, Question, validate


class Inner(BaseModel):
    side: Annotated[int, Field(ge=64, le=512)] = 64


class Asked(Question):
    prompt: str
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    weight: Annotated[float, Field(ge=0)] = 0
    shape: Literal["wide", "tall"] = "wide"
    flag: bool = False
    size: Annotated[str, Field(pattern=r"^\d+x\d+$", examples=["64x64"])] = "64x64"
    inner: Inner | Literal["small"] | None = None


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({}, "prompt", "prompt: is required."),
        ({"prompt": 5}, "prompt", "prompt: must be text."),
        ({"steps": 0}, "steps", "steps: must be a whole number from 1 to 100."),
        ({"steps": "many"}, "steps", "steps: must be a whole number from 1 to 100."),
        ({"weight": -1}, "weight", "weight: must be a number, at least 0."),
        ({"shape": "round"}, "shape", "shape: must be one of wide, tall."),
        ({"flag": "perhaps"}, "flag", "flag: must be true or false."),
        ({"size": "big"}, "size", "size: must be text such as 64x64."),
        (
            {"inner": {"side": 1}},
            "inner.side",
            "inner.side: must be a whole number from 64 to 512.",
        ),
    ],
)
def test_the_sentence_names_the_field_and_what_it_may_be(
    fields: dict[str, Any], field: str, sentence: str
) -> None:
    given = {"prompt": "a cat", **fields} if fields else {}
    with pytest.raises(InvalidFields) as caught:
        validate(Asked, given)
    assert (caught.value.field, caught.value.message) == (field, sentence)
    assert all("input" not in fault for fault in caught.value.faults), "it may be secret"


def test_of_a_choice_the_fault_within_it_is_told_alone() -> None:
    with pytest.raises(InvalidFields) as caught:
        validate(Asked, {"prompt": "a cat", "inner": {"side": 1}, "flag": "perhaps"})
    assert [fault["loc"] for fault in caught.value.faults] == [("flag",), ("inner", "side")]


def test_numbers_may_be_written_as_text_unless_it_is_strict() -> None:
    assert validate(Asked, {"prompt": "a", "steps": "4"}).steps == 4
    assert validate(Asked, {"prompt": "a", "steps": 4.0}, strict=True).steps == 4
    with pytest.raises(InvalidFields):
        validate(Asked, {"prompt": "a", "steps": "4"}, strict=True)


def test_other_fields_are_kept_to_be_told() -> None:
    assert validate(Asked, {"prompt": "a", "magic": 1}).unknown == {"magic": 1}
