"""Synexa's API by its package `synexa`."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from ..conftest import Running, wait_for
from ..fakes import FakeEngine
from .documents import run_example

os.environ.setdefault("SYNEXA_API_KEY", "any")  # without one it cannot be imported
import synexa

MODEL = "bytedance/sdxl-lightning-4step"
KEY = "sx-0123456789abcdef"


def client(server: Running, key: str = "any") -> Any:
    made = synexa.Synexa(api_key=key)
    made.base_url = f"{server.url}/synexa/v1"
    return made


def test_run(running: Running) -> None:
    given = {"prompt": "a cat", "width": 384, "height": 256, "num_outputs": 2, "seed": 7}
    urls = client(running).run(MODEL, given, use_file_output=False)
    pictures = [Image.open(io.BytesIO(httpx.get(url).content)) for url in urls]
    assert [(each.format, each.size) for each in pictures] == [("PNG", (384, 256))] * 2
    assert [request.seed for request in running.engine.requests[-2:]] == [7, 8]


def test_a_prediction_and_its_logs(running: Running) -> None:
    given = {"prompt": "a cat", "num_inference_steps": 10, "scheduler": "DDIM", "seed": 1}
    prediction = client(running).predictions.create(MODEL, given)
    assert prediction.status in ("starting", "processing", "succeeded")
    wait_for(lambda: prediction.reload().status == "succeeded")
    assert (prediction.model, prediction.input) == (MODEL, given)
    assert "input.scheduler: the sampler is Euler" in prediction.logs
    assert "num_inference_steps: 10 became 8" in prediction.logs
    assert "100%" in prediction.logs


def test_no_field_is_dropped_in_silence(running: Running) -> None:
    given = {"prompt": "a cat", "magic": 0, "scheduler": "K_EULER", "disable_safety_checker": False}
    given["output_quality"] = 90
    prediction = client(running).predictions.create(MODEL, given)
    told = [line.partition(":")[0] for line in prediction.logs.splitlines() if ": " in line]
    assert told == ["input.output_quality", "input.magic"], "the others are done"


def test_asynchronously(running: Running) -> None:
    urls = asyncio.run(client(running).async_run(MODEL, {"prompt": "a cat"}, use_file_output=False))
    assert len(urls) == 1


def test_a_prediction_that_fails(running: Running) -> None:
    with pytest.raises(synexa.ModelError, match="incident"):
        client(running).run(MODEL, {"prompt": "poison"})


def test_refusals(start: Callable[..., Running], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\nbob {KEY}-of-bob\n")
    server = start(FakeEngine(), api_keys=str(keys))
    alice = client(server, KEY).predictions.create(MODEL, {"prompt": "a cat"})
    url = f"{server.url}/synexa/v1/predictions/{alice.id}"
    assert httpx.get(url, headers={"x-api-key": KEY}).is_success
    assert httpx.get(url, headers={"x-api-key": f"{KEY}-of-bob"}).status_code == 404
    assert httpx.get(url, headers={"x-api-key": "wrong"}).status_code == 401
    body = {"model": MODEL, "input": {"prompt": "a cat", "num_outputs": 5}}
    headers = {"x-api-key": KEY}
    answer = httpx.post(f"{server.url}/synexa/v1/predictions", json=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "input.num_outputs: must be a whole number from 1 to 4."


def test_the_documents_example(running: Running) -> None:
    found = run_example("runflow", running.url, 1)
    found["picture"]._client.close()
    assert Image.open(io.BytesIO(found["data"])).size == (256, 256)
