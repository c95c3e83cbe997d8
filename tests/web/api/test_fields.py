"""The table of all fields in docs/api.md: what it says of each is what happens to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ...documents import DOCUMENTS
from ..conftest import PATIENCE, Running
from ..fakes import FakeEngine
from .vendors import PAINTERS, post

ROWS = {
    "our own": "native",
    "Replicate": "replicate",
    "Cog": "cog",
    "fal": "fal run",
    "OpenAI": "openai",
    "Hugging Face": "hugging face",
    "AUTOMATIC1111": "a1111",
    "Cloudflare": "cloudflare",
    "Runflow": "runflow",
    "Synexa": "synexa",
}
REFUSED = ("image", "image_b64", "mask")  # where a picture is to be changed
# What the model of the tests has not, or nobody has here; by vendor where one word has two senses.
VALUES: dict[Any, Any] = {
    **dict.fromkeys(("num_inference_steps", "steps", "step", "num_steps"), 3),
    **dict.fromkeys(("width", "height"), 1000),
    "resolution": "1000x1000",
    "size": "1024x1024",
    "image_size": "square",
    "scheduler": "DDIM",
    "disable_safety_checker": True,
    "enable_safety_checker": True,
    "safety_checker_version": "v2",
    "expand_prompt": True,
    "embeddings": [{"path": "x"}],
    "context": {"a": "b"},
    "model": "another/model",
    "background": "transparent",
    "style": "vivid",
    "moderation": "low",
    "user": "somebody",
    "sampler_name": "DDIM",
    "sampler_index": "DDIM",
    "enable_hr": True,
    "override_settings": {"CLIP_stop_at_last_layers": 2},
    "strength": 0.5,
    "callback_url": "https://example.org",
    # Honoured: as another would have it than the default.
    "guidance_scale": 2,
    "guidance": 2,
    "cfg_scale": 2,
    "negative_prompt": "",
    "seed": 7,
    "aspect_ratio": "3:2",
    "output_format": "webp",
    "output_quality": 50,
    "output_compression": 50,
    **dict.fromkeys(("num_images", "num_outputs", "n", "batch_size", "n_iter"), 2),
    "format": "png",
    "quality": "low",
    "sync_mode": True,
    "request_id": "mine",
    "stream": True,
    "partial_images": 2,
    "send_images": False,
    "metadata": {"a": 1},
    "client_ref": "mine",
    "id": "mine",
    "strict": True,
    "response_format": "b64_json",
    ("native", "style"): "Night",
    "styles": ["Night"],
    **dict.fromkeys(("variation_seed", "subseed"), 8),
    **dict.fromkeys(("variation_strength", "morph_strength", "subseed_strength"), 0.5),
    "morph_prompt": "a fox",
    "template": "a {cat, dog}",
    **dict.fromkeys(REFUSED, [1]),
    **{(name, "disable_safety_checker"): False for name in ("replicate", "cog")},
}
# What acts on another field or format only.
BESIDE = {
    "output_quality": {"output_format": "webp"},
    "output_compression": {"output_format": "webp"},
    "partial_images": {"stream": True},
    "variation_seed": {"variation_strength": 0.5},
    "variation_strength": {"variation_seed": 8},
    "morph_prompt": {"morph_strength": 0.5},
    "morph_strength": {"morph_prompt": "a fox"},
    "subseed": {"subseed_strength": 0.5},
    "subseed_strength": {"subseed": 8},
}
# Given by every body, or allowed by the operator only.
ELSEWHERE = {"prompt", "inputs", "input", "parameters", "version"}
WEBHOOKS = {"webhook", "webhook_events_filter", "webhook_completed"}  # test_webhooks.py


def table() -> dict[str, list[list[str]]]:
    """The fields of each column, by API."""
    text = (DOCUMENTS / "api.md").read_text(encoding="utf-8").partition("## Fields")[2]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")][2:]
    return {row[0].strip(): [re.findall(r"`(\w+)`", cell) for cell in row[1:4]] for row in rows}


TABLE = table()
FIELDS = [
    pytest.param(vendor, column, field, id=f"{vendor} {field}")
    for row, vendor in ROWS.items()
    for column, fields in enumerate(TABLE[row])
    for field in fields
    if field not in ELSEWHERE | WEBHOOKS
]


@pytest.fixture(scope="module")
def ask() -> Iterator[httpx.Client]:
    running = Running(FakeEngine(step_seconds=0))
    with httpx.Client(base_url=running.url, timeout=PATIENCE) as client:
        yield client
    running.server.stop()


@pytest.mark.parametrize("row", list(ROWS))
def test_every_field_has_its_place(row: str) -> None:
    vendor = PAINTERS[ROWS[row]]
    read = set(vendor.question.model_fields)
    for inner in (vendor.inner,) if vendor.inner else ():
        read |= set(inner.model_fields)
    told = [field for column in TABLE[row] for field in column]
    assert sorted(told) == sorted(read)


def test_an_assistants_fields_are_those_of_the_tool(ask: httpx.Client) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    answer = ask.post("/mcp", json=message, headers=accept).text
    tools = json.loads(answer.partition("data: ")[2])["result"]["tools"]
    (paint,) = (tool for tool in tools if tool["name"] == "paint")
    told = [field for column in TABLE["assistants"] for field in column]
    assert sorted(told) == sorted(paint["inputSchema"]["properties"])


@pytest.mark.parametrize(("name", "column", "field"), FIELDS)
def test_what_the_table_says_happens(ask: httpx.Client, name: str, column: int, field: str) -> None:
    vendor = PAINTERS[name]
    given = {field: VALUES.get((name, field), VALUES.get(field)), **BESIDE.get(field, {})}
    outside = field in vendor.question.model_fields
    answer = post(ask, vendor, {**vendor.body, **given} if outside else vendor.asking(**given))
    if field in REFUSED:
        assert not answer.is_success and field in vendor.words(answer.json())
        return
    assert answer.is_success, answer.text
    text = answer.headers.get("X-Warnings", "") + answer.text
    sides = "(?:width|height)" if field in ("width", "height") else field
    told = re.search(rf"\b{sides}(?:\.\w+| and \w+)?: [^\"\\]*", text)
    what = 0 if told is None else 1 if " became " in told[0] else 2
    assert what == column, text
