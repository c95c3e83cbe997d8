"""Hugging Face's inference API by `huggingface_hub.InferenceClient`."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from ..conftest import Running
from ..fakes import FakeEngine
from .documents import run_example

KEY = "hf_0123456789abcdef"
ANY = "hf_any"


@pytest.fixture
def client(running: Running) -> InferenceClient:
    return InferenceClient(base_url=f"{running.url}/hf", token=ANY)


def test_text_to_image(client: InferenceClient, running: Running) -> None:
    picture = client.text_to_image(
        "a cat",
        negative_prompt="dogs",
        width=384,
        height=256,
        num_inference_steps=8,
        guidance_scale=2.0,
        seed=7,
    )
    assert (picture.format, picture.size) == ("PNG", (384, 256))
    asked = running.engine.requests[-1]
    assert (asked.prompt, asked.negative_prompt, asked.seed) == ("a cat", "dogs", 7)
    assert (asked.num_inference_steps, asked.guidance_scale) == (8, 2.0)


def test_asynchronously(running: Running) -> None:
    async def main() -> Image.Image:
        async with AsyncInferenceClient(base_url=f"{running.url}/hf", token=ANY) as client:
            return await client.text_to_image("a cat")

    assert asyncio.run(main()).size == (256, 256)


def test_warnings_are_logged(client: InferenceClient, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("huggingface_hub").addHandler(caplog.handler)
    client.text_to_image("a cat", num_inference_steps=20, scheduler="DDIM", extra_body={"x": 1})
    for words in ("20 became 8", "scheduler: the sampler is Euler", "parameters.x: is not known"):
        assert words in caplog.text


def test_the_old_address_and_accepted_formats(running: Running) -> None:
    for accept, format in [("*/*", "JPEG"), ("image/webp", "WEBP"), ("image/png", "PNG")]:
        answer = httpx.post(
            f"{running.url}/hf/models/ByteDance/SDXL-Lightning",
            json={"inputs": "a cat", "parameters": {"negative_prompt": ["dogs", "birds"]}},
            headers={"Accept": accept},
        )
        assert Image.open(io.BytesIO(answer.content)).format == format
        assert running.engine.requests[-1].negative_prompt == "dogs, birds"
        assert "model: this server has one model" in json.loads(answer.headers["X-Warnings"])[0]


def test_names_of_fields_stay_within_their_headers(running: Running) -> None:
    names = ["a\r\nX-Evil: 1", "ä;\x00", *(f"field {number}" for number in range(1000))]
    body = {"inputs": "a cat", "parameters": dict.fromkeys(names, 1)}
    answer = httpx.post(f"{running.url}/hf/", json=body)
    assert answer.is_success
    assert "X-Evil" not in answer.headers
    told = answer.headers.get_list("X-HF-Warning")
    assert told[1].startswith("parameters.?,?; parameters.?;?: is not known")
    assert told[-1].endswith("982 more fields have no effect.")


def test_a_bad_field_is_named(client: InferenceClient) -> None:
    with pytest.raises(HfHubHTTPError, match="parameters.width: must be a whole number from 8"):
        client.text_to_image("a cat", width=5)
    with pytest.raises(HfHubHTTPError, match="inputs"):
        client.text_to_image(" ")
    with pytest.raises(HfHubHTTPError, match="incident"):
        client.text_to_image("poison")


def test_health(running: Running, start: Callable[..., Running]) -> None:
    assert InferenceClient(f"{running.url}/hf", provider="hf-inference").health_check()
    engine = FakeEngine()
    server = start(engine)
    engine.say(state="loading", detail="Downloading")
    answer = httpx.get(f"{server.url}/hf/health")
    assert (answer.status_code, answer.json()["error"]) == (503, "Downloading")
    assert answer.headers["Retry-After"]


def test_keys(start: Callable[..., Running], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\n")
    server = start(FakeEngine(), api_keys=str(keys))
    with pytest.raises(HfHubHTTPError, match="not known"):
        InferenceClient(base_url=f"{server.url}/hf", token=ANY).text_to_image("a cat")
    right = InferenceClient(base_url=f"{server.url}/hf", token=KEY)
    assert right.text_to_image("a cat").size == (256, 256)


def test_the_documents_example(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_example("hugging-face", running.url)
    with Image.open("house.png") as picture:
        assert picture.size == (256, 256)
