"""The Model Context Protocol, by its official client."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from PIL import Image

from lightning_demo.errors import OutOfMemory
from lightning_demo.web.api.mcp import WORDS

from ..conftest import Running
from ..fakes import LIMITS, FakeEngine


def settings_of(result: Any) -> dict[str, Any]:
    """Checks the picture of a call; returns the settings beside it."""
    picture, text = result.content
    size = Image.open(io.BytesIO(base64.b64decode(picture.data))).size
    about = json.loads(text.text)
    assert picture.mime_type == "image/jpeg" and size == (about["width"], about["height"])
    return about


def test_an_assistant_paints_and_sees_how_far_it_is(server: Running) -> None:
    async def talk() -> None:
        async with Client(f"{server.url}/mcp") as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {"paint", "models"}
            told: list[float] = []

            async def progress(done: float, total: float | None, message: str | None) -> None:
                told.append(done)

            asked = {"prompt": "a red cat", "seed": 7, "num_inference_steps": 8}
            result = await client.call_tool("paint", asked, progress_callback=progress)
            about = settings_of(result)
            assert (about["prompt"], about["seed"], about["warnings"]) == ("a red cat", 7, [])
            assert told == sorted(told) and told[-1] == 8
            result = await client.call_tool("paint", {"prompt": "a", "width": 1024})
            assert settings_of(result)["warnings"][0].startswith("width: 1024x1024 became")
            result = await client.call_tool("paint", {"prompt": "a", "steps": 3, "style": "x"})
            told = settings_of(result)["warnings"]
            assert told == [
                f"{n}: is not known here and has no effect." for n in ("steps", "style")
            ]
            models = (await client.call_tool("models", {})).structured_content
            assert models["default_num_inference_steps"] == LIMITS.default_steps
            words = (await client.read_resource(WORDS)).contents[0].text
            assert "cat" in words.splitlines()

    anyio.run(talk)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"prompt": " "}, "type at least one character"),
        ({"prompt": "a", "seed": -1}, "seed"),
        ({"num_inference_steps": 4}, "prompt"),
    ],
)
def test_what_is_wrong_is_told(server: Running, asked: dict[str, Any], words: str) -> None:
    async def talk() -> None:
        async with Client(f"{server.url}/mcp") as client:
            result = await client.call_tool("paint", asked)
            assert result.is_error and words in result.content[0].text

    anyio.run(talk)


def test_a_fault_is_told_in_words(start: Callable[..., Running]) -> None:
    running = start(FakeEngine())
    running.engine.fault = lambda request: OutOfMemory("Too little memory.")

    async def talk() -> None:
        async with Client(f"{running.url}/mcp") as client:
            result = await client.call_tool("paint", {"prompt": "a"})
            assert result.is_error and "Too little memory." in result.content[0].text

    anyio.run(talk)


def test_strangers_are_refused(start: Callable[..., Running]) -> None:
    url = f"{start(FakeEngine()).url}/mcp"
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    refused = httpx.post(url, json=body, headers={"X-Forwarded-For": "203.0.113.1"})
    assert (refused.status_code, refused.json()["status"]) == (403, 403)
    page = {"Origin": "https://stranger.example", "Sec-Fetch-Site": "cross-site"}
    assert httpx.post(url, json=body, headers=page).status_code == 403


def test_over_standard_input_and_output_with_the_miniature() -> None:
    command = ["-m", "lightning_demo", "mcp", "--model", "miniature"]

    async def talk() -> None:
        parameters = StdioServerParameters(command=sys.executable, args=command)
        async with Client(stdio_client(parameters)) as client:
            about = settings_of(await client.call_tool("paint", {"prompt": "a red cat", "seed": 1}))
            assert (about["model"], about["num_inference_steps"]) == ("miniature", 4)

    anyio.run(talk)
