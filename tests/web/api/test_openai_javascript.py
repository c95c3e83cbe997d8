"""OpenAI's client for JavaScript, as our document tells to use it; see `javascript.py`."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.documents import examples

from ..conftest import Running
from ..fakes import color_of
from .documents import WRITTEN
from .javascript import run_node

PROMPT = "a red house by the sea"  # the document's

CALLS = """
const told = { answer };

told.addresses = await client.images.generate({
  prompt: "addresses", response_format: "url", output_format: "webp", size: "1024x1024", seed: 7,
});

told.events = [];
const stream = await client.images.generate({ ...question, stream: true, partial_images: 3 });
for await (const event of stream) told.events.push(event);

told.left = 0;
const left = await client.images.generate({ ...question, stream: true, n: 3 });
for await (const event of left) {
  told.left += 1;
  break;
}

told.models = (await client.models.list()).data.map((model) => model.id);

told.refused = {};
const wrong = { n: { n: 11 }, size: { size: "huge" }, prompt: { prompt: " " } };
for (const [name, fields] of Object.entries(wrong)) {
  try {
    await client.images.generate({ ...question, ...fields });
  } catch (error) {
    const { status, param, code, type, message } = error;
    told.refused[name] = { kind: error.constructor.name, status, param, code, type, message };
  }
}
try {
  for await (const event of await client.images.generate({ prompt: "poison", stream: true }));
} catch (error) {
  told.fault = error.message;
}
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def lines(server: Running, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is printed by the document's example and the calls above."""
    folder: Path = tmp_path_factory.mktemp("javascript")
    (example,) = examples("api/openai.md", "javascript")
    assert WRITTEN in example
    script = example.replace(WRITTEN, server.url) + CALLS
    return run_node(folder, "openai", script).splitlines()


@pytest.fixture(scope="module")
def told(lines: list[str]) -> dict[str, Any]:
    return json.loads(lines[-1])


def shows(text: str, prompt: str, format: str) -> bool:
    """Whether base64 is the picture of a prompt."""
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    seen = picture.convert("RGB").getpixel((5, 5))
    near = all(abs(a - b) < 12 for a, b in zip(seen, color_of(prompt), strict=True))
    return near and picture.format == format


def test_the_documents_example(lines: list[str], told: dict[str, Any]) -> None:
    assert lines[0].startswith("image_generation.completed ")
    pictures = told["answer"]["data"]
    assert len(pictures) == 2
    assert all(shows(picture["b64_json"], PROMPT, "PNG") for picture in pictures)


def test_addresses_and_warnings(told: dict[str, Any]) -> None:
    (picture,) = told["addresses"]["data"]
    with Image.open(io.BytesIO(httpx.get(picture["url"]).content)) as found:
        assert (found.format, found.size, picture["seed"]) == ("WEBP", (256, 256), 7)
    (warning,) = told["addresses"]["warnings"]
    assert warning.startswith("size: 1024x1024 became 256x256")


def test_a_stream(told: dict[str, Any]) -> None:
    *partial, last = told["events"]
    assert 1 <= len(partial) <= 3
    assert [event["partial_image_index"] for event in partial] == list(range(len(partial)))
    assert {event["type"] for event in partial} == {"image_generation.partial_image"}
    assert last["type"] == "image_generation.completed"
    assert shows(last["b64_json"], PROMPT, "PNG")
    assert told["left"] == 1


def test_models(told: dict[str, Any]) -> None:
    assert told["models"] == ["miniature"]


@pytest.mark.parametrize("name", ["n", "size", "prompt"])
def test_a_bad_field_is_named(told: dict[str, Any], name: str) -> None:
    refused = told["refused"][name]
    assert (refused["kind"], refused["status"]) == ("BadRequestError", 400)
    assert (refused["param"], refused["type"]) == (name, "invalid_request_error")
    assert name in refused["message"]


def test_a_fault_in_a_stream_is_told(told: dict[str, Any]) -> None:
    assert "incident" in told["fault"] and "secret" not in told["fault"]
