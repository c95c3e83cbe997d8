"""Cloudflare's Workers AI by plain HTTP and by the official `cloudflare` client."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudflare
import httpx
import pytest
from cloudflare import Cloudflare
from PIL import Image

from lightning_demo.web.api.cloudflare import MODEL

from ..conftest import Running
from ..fakes import FakeEngine
from .documents import run_example

KEY = "cf-0123456789abcdef"
ANY = "cf-any"


@pytest.fixture
def run(running: Running) -> Callable[..., httpx.Response]:
    def ask(model: str = MODEL, **fields: Any) -> httpx.Response:
        url = f"{running.url}/client/v4/accounts/an-account/ai/run/{model}"
        return httpx.post(url, json={"prompt": "a cat", **fields}, timeout=60)

    return ask


def test_a_jpeg_by_its_own_defaults(run: Callable[..., httpx.Response], running: Running) -> None:
    answer = run()
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    assert json.loads(answer.headers["X-Warnings"]) == []
    asked = running.engine.requests[-1]
    assert (asked.num_inference_steps, asked.guidance_scale) == (4, 0.0)


def test_every_field(run: Callable[..., httpx.Response], running: Running) -> None:
    answer = run(
        negative_prompt="dogs",
        num_steps=20,
        guidance=7.5,
        width=768,
        height=512,
        seed=5,
        strength=1,
    )
    asked = running.engine.requests[-1]
    assert (asked.seed, asked.num_inference_steps, asked.guidance_scale) == (5, 8, 7.5)
    assert (asked.width, asked.height, asked.negative_prompt) == (384, 256, "dogs")
    assert [w.partition(":")[0] for w in json.loads(answer.headers["X-Warnings"])] == [
        "strength",
        "num_steps",
        "width",
    ]


@pytest.mark.parametrize(
    ("fields", "status", "code", "words"),
    [
        ({"num_steps": 21}, 400, 5006, "num_steps: must be a whole number from 1 to 20"),
        ({"width": 255}, 400, 5006, "width: must be a whole number from 256 to 2048"),
        ({"prompt": ""}, 400, 5006, "prompt: must be text"),
        ({"image": [1, 2]}, 400, 5006, "image: this server makes pictures from text only"),
        ({"image_b64": "aGk="}, 400, 5006, "image_b64: this server"),
        ({"mask": [0]}, 400, 5006, "mask: this server"),
        ({"model": "@cf/other/model"}, 400, 5007, "No such model @cf/other/model"),
        ({"prompt": "poison"}, 500, 3043, "incident"),
    ],
)
def test_errors_in_the_envelope(
    run: Callable[..., httpx.Response], fields: Any, status: int, code: int, words: str
) -> None:
    answer = run(**fields)
    content = answer.json()
    (error,) = content["errors"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert words in error["message"]
    assert (content["success"], content["result"]) == (False, None)


def test_the_official_client(start: Callable[..., Running], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\n")
    base = f"{start(FakeEngine(), api_keys=str(keys)).url}/client/v4"
    wrong = Cloudflare(base_url=base, api_token=ANY)
    with pytest.raises(cloudflare.AuthenticationError, match="10000"):
        wrong.ai.run(MODEL, account_id="an-account", prompt="a cat")
    right = Cloudflare(base_url=base, api_token=KEY)
    answer = right.ai.with_raw_response.run(MODEL, account_id="an-account", prompt="a cat", seed=1)
    assert Image.open(io.BytesIO(answer.read())).size == (256, 256)
    with pytest.raises(cloudflare.BadRequestError, match="num_steps"):
        right.ai.run(MODEL, account_id="an-account", prompt="a cat", num_steps=99)


def test_the_documents_example(running: Running) -> None:
    picture = run_example("cloudflare", running.url)["picture"]
    assert Image.open(io.BytesIO(picture)).format == "JPEG"
