"""Every field of a request: what is accepted, and which words refuse the rest."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.errors import InvalidRequest
from lightning_demo.schemas import (
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    GenerationRequest,
    Limits,
    Style,
    random_seed,
)

STYLES = (Style("Night", "{prompt} at night", "by day"), Style("Flat", "flat"))
LIMITS = Limits((1, 2, 4, 8), 4, ((128, 128), (192, 128)), 64, 256, STYLES)


def parse(**fields: object) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": "a red house", **fields}, LIMITS)


def test_absent_fields_take_the_models_defaults():
    request = parse()
    assert (request.num_inference_steps, request.guidance_scale) == (4, 0.0)
    assert (request.width, request.height) == (128, 128)
    assert request.negative_prompt == ""
    assert 0 <= request.seed <= MAX_SEED


def test_null_means_absent():
    assert parse(seed=None, width=None, negative_prompt=None).width == 128


def test_requests_are_hashable_picklable_values():
    request = parse(seed=7)
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301
    assert hash(parse(seed=7)) == hash(request)
    assert GenerationRequest.parse(request.as_dict(), LIMITS) == request


def test_what_has_no_effect_is_no_other_request():
    plain = parse(seed=7)
    assert parse(seed=7, variation_seed=9, variation_strength=0, morph_prompt="a boat") == plain
    assert not {"style", "variation_seed", "morph_strength"} & plain.as_dict().keys()
    varied = parse(seed=7, variation_seed=9, variation_strength=0.5)
    morphed = parse(seed=7, morph_prompt="a boat", morph_strength=0.25, style="flat")
    assert len({plain, varied, morphed}) == 3
    assert varied.as_dict()["variation_seed"] == 9
    for request in (varied, morphed):
        assert GenerationRequest.parse(request.as_dict(), LIMITS) == request
    assert morphed.painted_morph_prompt == "a boat, flat"


def test_white_space_is_one_space():
    assert parse(prompt="  a\n\tred   house ").prompt == "a red house"


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("prompt", "", "1 to 100,000"),
        ("prompt", " \n ", "1 to 100,000"),
        ("prompt", "x" * (MAX_PROMPT_CHARACTERS + 1), "100,000"),
        ("prompt", "x" * 2**20, "1,048,576 characters are too many"),
        ("prompt", "a\x00b", "U+0000"),
        ("prompt", "a\x1b[31mb", "U+001B"),
        ("prompt", "a\ud800b", "U+D800"),
        ("prompt", 7, "text"),
        ("style", "nothing", "the styles are: Night, Flat"),
        ("variation_strength", 1.1, "0 to 1"),
        ("variation_strength", math.nan, "0 to 1"),
        ("variation_seed", -1, f"0 to {MAX_SEED}"),
        ("morph_strength", "half", "0 to 1"),
        ("morph_prompt", 7, "text"),
        ("prompt", ["a"], "text"),
        ("negative_prompt", "\x07", "U+0007"),
        ("num_inference_steps", 3, "1, 2, 4, 8"),
        ("num_inference_steps", 4.5, "1, 2, 4, 8"),
        ("num_inference_steps", math.nan, "1, 2, 4, 8"),
        ("num_inference_steps", "4", "1, 2, 4, 8"),
        ("num_inference_steps", True, "1, 2, 4, 8"),
        ("num_inference_steps", [4], "1, 2, 4, 8"),
        ("width", 1_000_000, "64 to 256"),
        ("width", 130, "multiple of 8"),
        ("width", 0, "64 to 256"),
        ("height", 128.5, "64 to 256"),
        ("height", "128", "64 to 256"),
        ("height", math.inf, "64 to 256"),
        ("seed", -1, "0 to 4294967295"),
        ("seed", 2**64, "0 to 4294967295"),
        ("seed", "seven", "0 to 4294967295"),
        ("seed", 1.5, "0 to 4294967295"),
        ("seed", True, "0 to 4294967295"),
        ("guidance_scale", -1, "0 to 20"),
        ("guidance_scale", math.inf, "0 to 20"),
        ("guidance_scale", math.nan, "0 to 20"),
        ("guidance_scale", "1", "0 to 20"),
    ],
)
def test_a_bad_value_is_refused_by_field_and_range(field: str, value: object, allowed: str):
    with pytest.raises(InvalidRequest) as caught:
        parse(**{field: value})
    assert caught.value.field == field
    assert str(caught.value).startswith(field)
    assert allowed in str(caught.value)
    assert len(str(caught.value)) < 200


def test_unknown_fields_are_refused_by_name():
    with pytest.raises(InvalidRequest, match="steps: there is no such field"):
        parse(steps=4)


@pytest.mark.parametrize("fields", [None, 4, "prompt", ["prompt"]])
def test_something_that_is_no_object_is_refused(fields: object):
    with pytest.raises(InvalidRequest, match="object"):
        GenerationRequest.parse(fields, LIMITS)  # type: ignore[arg-type]


def test_whole_numbers_may_come_as_floats():
    request = parse(num_inference_steps=4.0, width=128.0, seed=7.0)
    assert (request.num_inference_steps, request.width, request.seed) == (4, 128, 7)
    assert isinstance(request.width, int)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = st.sampled_from([*GenerationRequest.__dataclass_fields__, "other", ""])


@given(st.dictionaries(NAMES, JSON))
def test_anything_is_either_a_valid_request_or_a_sentence(fields: dict):
    try:
        request = GenerationRequest.parse(fields, LIMITS)
    except InvalidRequest as error:
        assert error.status == 422
        assert str(error).isprintable()
        return
    assert request.num_inference_steps in LIMITS.num_inference_steps
    assert 64 <= request.width <= 256 and request.width % 8 == 0
    assert 64 <= request.height <= 256 and request.height % 8 == 0
    assert 0 <= request.seed <= MAX_SEED
    assert 0 <= request.guidance_scale <= 20
    assert request.prompt and request.prompt.encode()


@given(st.text(min_size=1))
def test_parsing_twice_changes_nothing(text: str):
    try:
        once = parse(prompt=text, seed=1)
    except InvalidRequest:
        return
    assert GenerationRequest.parse(once.as_dict(), LIMITS) == once


def test_random_seeds_differ():
    assert len({random_seed() for _ in range(20)}) > 15


@given(width=st.integers(1, 4096), height=st.integers(1, 4096))
def test_the_nearest_size_is_one_of_the_trained_and_a_trained_one_stays(width: int, height: int):
    assert LIMITS.nearest_size(width, height) in LIMITS.sizes
    for size in LIMITS.sizes:
        assert LIMITS.nearest_size(*size) == size


def test_the_nearest_size_keeps_the_shape():
    limits = Limits((4,), 4, ((128, 128), (192, 128), (128, 192)), min_side=64, max_side=256)
    assert limits.nearest_size(256, 144) == (192, 128)
    assert limits.nearest_size(64, 104) == (128, 192)
    assert limits.nearest_size(96, 104) == (128, 128)
    assert limits.nearest_size(1024, 1024) == (128, 128)
    several = Limits((4,), 4, ((1024, 1024), (768, 768), (1216, 832)), min_side=64, max_side=2048)
    assert several.nearest_size(800, 800) == (768, 768)
    assert several.nearest_size(700, 480) == (1216, 832)
