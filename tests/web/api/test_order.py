"""Questions of others' clients, translated for the model that is served."""

from __future__ import annotations

from typing import Any

import pytest

from lightning_demo.errors import InvalidRequest
from lightning_demo.schemas import MAX_SEED, NEGATIVE_UNUSED, Frame
from lightning_demo.web.api.order import Asked, no_effect, place

from ..fakes import LIMITS


def order(**fields: Any):
    return place(Asked("a cat", **fields), LIMITS)


def test_nothing_but_a_prompt_takes_the_defaults() -> None:
    made = order()
    (request,) = made.requests
    assert (request.num_inference_steps, request.guidance_scale) == (4, 0.0)
    assert made.size == LIMITS.sizes[0]
    assert made.warnings == ()


@pytest.mark.parametrize(("asked", "near"), [(1, 2), (3, 4), (5, 4), (6, 8), (12, 8), (20, 8)])
def test_steps_become_the_nearest_that_have_a_checkpoint(asked: int, near: int) -> None:
    made = order(num_inference_steps=asked)
    assert made.requests[0].num_inference_steps == near
    assert made.warnings[0].startswith(f"num_inference_steps: {asked} became {near}; ")
    with pytest.raises(InvalidRequest, match=f"^steps: {asked} became") as caught:
        order(num_inference_steps=asked, strict=True, names={"num_inference_steps": "steps"})
    assert caught.value.field == "steps"


def test_sizes_become_the_nearest_of_that_shape() -> None:
    made = order(size=(1024, 1024))
    assert made.size == LIMITS.sizes[0]
    assert made.warnings[0].startswith("size: 1024x1024 became ")
    assert order(size=(1600, 900), shape_only=True).warnings == ()
    with pytest.raises(InvalidRequest, match="^image_size: 512x512"):
        order(size=(512, 512), strict=True, names={"size": "image_size"})


def test_several_pictures_have_seeds_that_follow_one_another() -> None:
    made = order(count=3, seed=MAX_SEED - 1)
    assert [request.seed for request in made.requests] == [MAX_SEED - 1, MAX_SEED, 0]
    assert made.seed == MAX_SEED - 1


def test_a_variations_seed_goes_on_where_it_is_to() -> None:
    fields = {"variation_seed": MAX_SEED, "variation_strength": 0.5}
    made = order(count=2, seed=7, varied=True, others=fields)
    found = [(request.seed, request.variation_seed) for request in made.requests]
    assert found == [(7, MAX_SEED), (7, 0)]
    made = order(count=2, seed=7, others=fields)
    assert [request.seed for request in made.requests] == [7, 8]
    made = order(count=2, seed=7, varied=True, others={"variation_strength": 0.0})
    assert [request.seed for request in made.requests] == [7, 8]


def test_what_is_out_of_range_here_is_told() -> None:
    made = order(seed=2**40 + 7, guidance_scale=50.0)
    assert (made.seed, made.requests[0].guidance_scale) == (7 + 2**40 % (MAX_SEED + 1), 20.0)
    assert [warning.split(":")[0] for warning in made.warnings] == ["guidance_scale", "seed"]


def test_a_negative_prompt_that_does_nothing_is_told() -> None:
    assert "no effect" in order(negative_prompt="blurry").warnings[0]
    assert order(negative_prompt="blurry", guidance_scale=2.0).warnings == ()


def test_what_the_engine_notes_of_it_is_not_told_again() -> None:
    made = order(negative_prompt="blurry")
    frame = Frame(made.requests[0], b"", "image/jpeg", 4, True, notes=(NEGATIVE_UNUSED, "Cut."))
    assert made.told([frame, frame]) == [*made.warnings, "Cut."]


def test_errors_have_the_vendors_name_of_the_field() -> None:
    with pytest.raises(InvalidRequest, match="^inputs: type at least one character") as caught:
        place(Asked("  ", names={"prompt": "inputs"}), LIMITS)
    assert caught.value.field == "inputs"


def test_fields_without_effect_are_listed_with_their_reason() -> None:
    assert no_effect({"a": 1, "b": None, "scheduler": "DDIM"}, {"scheduler": "is Euler"}) == [
        "a: is not known here and has no effect.",
        "scheduler: is Euler.",
    ]
