"""Messages: what may come in, and that what goes out can be read back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.errors import InvalidRequest
from lightning_demo.schemas import Frame, GenerationRequest
from lightning_demo.web import messages

from .fakes import LIMITS, STATUS
from .malformed import MALFORMED

REQUEST = GenerationRequest.parse({"prompt": 'a "red" häuschen', "seed": 5}, LIMITS)
FRAME = Frame(REQUEST, b"\xff\xd8picture", "image/jpeg", 2, False, notes=("a note",))


@pytest.mark.parametrize("rest", ['"budget": -1', '"ahead": 3', '"attract": 0', '"other": 1'])
def test_what_is_wrong_beside_a_request_is_said_of_that_request(rest: str) -> None:
    """Else the page would go on waiting for its picture."""
    message = messages.parse(f'{{"sequence": 7, "request": {{"prompt": "x"}}, {rest}}}')
    assert message.problem is not None and message.sequence == 7


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_message_is_refused_in_words(text: str) -> None:
    message = messages.parse(text)
    if message.problem is None:
        with pytest.raises(InvalidRequest) as caught:
            GenerationRequest.parse(message.fields or {}, LIMITS)
    assert str(message.problem or caught.value)


@given(st.text() | st.binary())
def test_no_message_raises_anything(text: str | bytes) -> None:
    assert messages.parse(text).problem


def nested(depth: int) -> str:
    """An object with lists in it, and a number in the last of them."""
    return '{"sequence": 7, "request": ' + "[" * (depth - 1) + "1" + "]" * (depth - 1) + "}"


@pytest.mark.parametrize("depth", [65, 600, 100_000])
def test_what_is_nested_too_deeply_is_refused_in_words(depth: int) -> None:
    problem = messages.parse(nested(depth)).problem
    assert problem is not None and "At most 64" in problem.message
    problem = messages.parse(nested(64)).problem
    assert problem is not None and problem.field == "request", "as any other request that is none"


def test_what_is_wide_is_not_deep() -> None:
    wide = [[{"a": [number]}] for number in range(10_000)]
    assert messages.load_json(json.dumps(wide)) == wide


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 400 + ".5"])
def test_a_number_beyond_any_is_refused_in_words(number: str) -> None:
    """It would be infinity, which no answer could tell again."""
    for text in (number, f'{{"a": [{{"b": {number}}}]}}'):
        with pytest.raises(InvalidRequest, match="below 1.8e308"):
            messages.load_json(text)
    assert messages.load_json("1.7e308") == 1.7e308


def test_half_a_character_is_its_fields_to_judge() -> None:
    """Else its page would not know which of its requests has come to nothing."""
    message = messages.parse('{"sequence": 7, "request": {"prompt": "half of \\ud83d"}}')
    assert (message.sequence, message.fields) == (7, {"prompt": "half of \ud83d"})


def test_the_four_messages_of_a_page() -> None:
    asked = messages.parse('{"sequence": 7, "request": {"prompt": "x"}}')
    assert (asked.sequence, asked.fields) == (7, {"prompt": "x"})
    assert messages.parse('{"pause": true}').pause
    assert messages.parse('{"seen": 3}').seen == 3
    assert [messages.parse(f'{{"watch": {on}}}').watch for on in ("true", "false")] == [True, False]


def test_a_request_may_bring_a_latency_budget() -> None:
    text = '{"sequence": 1, "request": {"prompt": "x"}, "budget": %s}'
    assert messages.parse('{"sequence": 1, "request": {"prompt": "x"}}').budget is None
    assert [messages.parse(text % n).budget for n in ("0", "62.5", "60000", "null")] == [
        0,
        62.5,
        60_000,
        None,
    ]
    problem = messages.parse(text % "60000.5").problem
    assert problem is not None and problem.field == "budget"
    assert problem.message == "budget: must be a number from 0 to 60000."


def test_a_request_may_bring_guesses() -> None:
    text = '{"sequence": 1, "request": {"prompt": "a ca"}, "ahead": %s}'
    assert messages.parse('{"sequence": 1, "request": {"prompt": "x"}}').ahead == ()
    guesses = [{"prompt": "a cat"}, {"num_inference_steps": 2}]
    assert messages.parse(text % json.dumps(guesses)).ahead == tuple(guesses)
    for wrong in ("{}", '"a cat"', "[1]", "null", json.dumps([{}] * 5)):
        problem = messages.parse(text % wrong).problem
        assert problem is not None and problem.field == "ahead"
        assert "at most 4 objects" in problem.message


def test_a_request_may_be_nobodys() -> None:
    text = '{"sequence": 1, "request": {"prompt": "x"}, "attract": %s}'
    assert not messages.parse('{"sequence": 1, "request": {"prompt": "x"}}').attract
    assert messages.parse(text % "true").attract
    for wrong in ("1", "null", '"yes"', "[]"):
        problem = messages.parse(text % wrong).problem
        assert problem is not None and problem.message == "attract: must be true or false."


def test_a_frame_tells_whether_it_is_a_draft() -> None:
    assert messages.frame_header(9, FRAME)["draft"] is None
    header, _ = messages.split_frame(messages.frame_bytes(9, FRAME, 200.0))
    assert header["draft"] == {"budget": 200.0, "decoder": "preview"}
    assert json.loads(messages.frame_text(9, FRAME, 200.0))["draft"] == header["draft"]


def test_a_frame_can_be_read_back() -> None:
    header, picture = messages.split_frame(messages.frame_bytes(9, FRAME))
    assert picture == FRAME.data
    assert header["sequence"] == 9
    assert header["prompt"] == REQUEST.prompt
    assert (header["step"], header["num_inference_steps"], header["final"]) == (2, 4, False)
    assert (header["seed"], header["width"], header["height"]) == (5, 256, 256)
    assert header["notes"] == ["a note"]


def test_a_frame_as_text_has_the_same_header() -> None:
    text = json.loads(messages.frame_text(9, FRAME))
    assert text.pop("picture").startswith("data:image/jpeg;base64,")
    assert text == messages.frame_header(9, FRAME)


def test_a_long_prompt_does_not_travel_with_every_frame() -> None:
    request = GenerationRequest.parse({"prompt": "x" * 100_000}, LIMITS)
    frame = Frame(request, b"", "image/jpeg", 1, False)
    assert len(messages.frame_bytes(1, frame)) < 3_000


def test_status_is_json() -> None:
    status = json.loads(json.dumps(messages.status(STATUS, draining=False)))
    assert status["limits"]["num_inference_steps"] == [2, 4, 8]
    assert (status["type"], status["state"], status["draining"]) == ("status", "ready", False)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, None),
        (0.0, 1),
        (0.2, 1),
        (1.1, 2),
        (9.5, 10),
        (10.1, 15),
        (59.0, 60),
        (61.0, 120),
        (299.0, 300),
    ],
)
def test_a_wait_is_told_the_more_coarsely_the_longer_it_is(
    seconds: float | None, told: int | None
) -> None:
    assert messages.line("seat", 3, seconds)["seconds"] == told
