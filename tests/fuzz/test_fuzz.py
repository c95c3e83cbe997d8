"""Readers of what strangers send raise nothing but what they say, whatever it is."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_demo.errors import InvalidRequest
from lightning_demo.images import encode
from lightning_demo.schemas import GenerationRequest
from lightning_demo.studio.picture_info import read_info, request_fields
from lightning_demo.xmp import xmp_packet

from .targets import LIMITS, PIXELS, TARGETS

ROOT = Path(__file__).parents[2]
HUGE = st.sampled_from([10**400, -(10**400), 2**63, 1e308, float("inf"), float("nan"), -0.0])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | HUGE
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
# Those whose examples are JSON, of which flipped bytes are seldom any.
STRUCTURED = ("live", "phone", "question", "graph", "batch")


def test_atheris_finds_nothing() -> None:
    """Each target for a fixed number of inputs, with a fixed seed: six seconds of a core."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("there is no atheris here: it is for Python 3.11 to 3.14 on Linux, x86-64")
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.fuzz"]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)  # noqa: S603
    lines = done.stdout.splitlines()
    assert [name for name in TARGETS if f"{name}: fine" in lines] == list(TARGETS), (
        done.stdout[-4000:] + done.stderr[-8000:]
    )
    assert done.returncode == 0


@st.composite
def changed(draw: st.DrawFn, name: str) -> bytes:
    """An example with another value at one of its places, or another name for one."""
    texts = [text for text in TARGETS[name].examples if text.startswith(b"{") and b"\n" not in text]
    content = json.loads(draw(st.sampled_from(texts)))
    inside: Any = content
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = draw(st.sampled_from(keys))
        if not isinstance(inside[key], (dict, list)) or not inside[key] or draw(st.booleans()):
            break
        inside = inside[key]
    if isinstance(inside, dict) and draw(st.integers(0, 9)) == 0:
        inside[draw(st.text(max_size=8))] = inside.pop(key)
    else:
        inside[key] = draw(VALUES)
    return json.dumps(content).encode()


@pytest.mark.parametrize("name", STRUCTURED)
def test_other_values_in_their_places(name: str) -> None:
    @settings(max_examples=100)
    @given(changed(name))
    def read(data: bytes) -> None:
        TARGETS[name].read(data)

    read()


@settings(max_examples=100)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("work", "wait", "ahead", "step"), VALUES)))
def test_other_values_of_another_server(header: dict[str, Any]) -> None:
    text = json.dumps({"kind": "frame", "parts": [], **header}).encode()
    TARGETS["records"].read(len(text).to_bytes(4, "big") + text)


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["png", "jpeg", "webp"]))
def test_whatever_is_typed_stands_in_the_picture_and_is_read_again(
    prompt: str, negative: str, format: str
) -> None:
    try:
        request = GenerationRequest.parse(
            {"prompt": prompt, "negative_prompt": negative, "seed": 7, "style": "Night"}, LIMITS
        )
    except InvalidRequest:
        return
    found = request_fields(read_info(encode(PIXELS, request, "miniature", format, 80), "picture"))
    assert found["prompt"] == request.prompt
    assert found.get("negative_prompt", "") == request.negative_prompt
    assert (found["seed"], found["style"]) == (7, "Night")


@settings(max_examples=100)
@given(st.text(max_size=60), st.text(max_size=20))
def test_what_agencies_read_is_always_xml(prompt: str, model: str) -> None:
    xml.etree.ElementTree.fromstring(xmp_packet(f"{prompt}\nSteps: 4", model))  # noqa: S314


@pytest.mark.parametrize("name", TARGETS)
def test_the_examples_are_read_as_what_they_are(name: str) -> None:
    """Else what is changed would be nothing at first."""
    for example in TARGETS[name].examples:
        TARGETS[name].read(example)
