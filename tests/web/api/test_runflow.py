"""Runflow's API as its documentation calls it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from ..conftest import Running, wait_for
from ..fakes import FakeEngine
from .documents import run_example

MODEL = "bytedance/sd-xl-lightning"
KEY = "rf-0123456789abcdef"


class Client:
    """One who asks Runflow."""

    def __init__(self, server: Running, key: str = "any") -> None:
        self._base = f"{server.url}/runflow/v1"
        self._headers = {"Authorization": f"Bearer {key}"}

    def create(self, model: str = MODEL, **body: Any) -> httpx.Response:
        url = f"{self._base}/models/{model}/runs"
        return httpx.post(url, json=body, headers=self._headers)

    def get(self, id: str) -> httpx.Response:
        return httpx.get(f"{self._base}/runs/{id}", headers=self._headers)

    def cancel(self, id: str) -> httpx.Response:
        return httpx.post(f"{self._base}/runs/{id}/cancel", headers=self._headers)

    def ended(self, id: str) -> dict[str, Any]:
        """The run at its end."""
        wait_for(lambda: self.get(id).json()["completed_at"])
        return self.get(id).json()


def test_all_seven_inputs(running: Running) -> None:
    given = {
        "prompt": "a cat",
        "negative_prompt": "dogs",
        "seed": 7,
        "width": 384,
        "height": 256,
        "guidance": 2.0,
        "steps": 8,
    }
    client = Client(running)
    created = client.create(input=given, metadata={"order": 1}, client_ref="mine")
    assert created.status_code == 201
    run = client.ended(created.json()["id"])
    assert (run["status_code"], run["input"], run["metadata"]) == ("succeeded", given, {"order": 1})
    assert (run["client_ref"], run["model"]) == ("mine", MODEL)
    assert [log for log in run["logs"] if log["level_code"] == "warning"] == []
    (url,) = run["output"]["image_urls"]
    picture = Image.open(io.BytesIO(httpx.get(url).content))
    assert (picture.format, picture.size) == ("JPEG", (384, 256))
    (output,) = run["output"]["outputs"]
    assert (output["type"], output["url"], output["width"]) == ("image", url, 384)
    asked = running.engine.requests[-1]
    assert (asked.seed, asked.num_inference_steps, asked.guidance_scale) == (7, 8, 2.0)


def test_warnings_are_lines_of_the_log(running: Running) -> None:
    body = {"input": {"prompt": "a cat", "steps": 12, "style": "oil"}}
    client = Client(running)
    created = client.create("other/model", **body, callback_url="http://127.0.0.1/").json()
    run = client.ended(created["id"])
    warnings = [log["message"] for log in run["logs"] if log["level_code"] == "warning"]
    names = [warning.partition(":")[0] for warning in warnings]
    assert names == ["model", "callback_url", "input.style", "input.steps"]
    assert "12 became 8" in warnings[-1]


def test_a_bad_field_is_named(running: Running) -> None:
    client = Client(running)
    for given, field in [
        ({"prompt": "a cat", "steps": 13}, "input.steps"),
        ({}, "input.prompt"),
        ({"prompt": " "}, "input.prompt"),
    ]:
        answer = client.create(input=given)
        (fault,) = answer.json()["errors"]
        assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
        assert fault["field"] == field


def test_a_run_that_fails(running: Running) -> None:
    client = Client(running)
    run = client.ended(client.create(input={"prompt": "poison"}).json()["id"])
    assert (run["status_code"], run["failure_stage_code"]) == ("failed", "execution")
    assert "incident" in run["failure_message"]


def test_runs_of_others_and_cancelling(start: Callable[..., Running], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\nbob {KEY}-of-bob\n")
    server = start(FakeEngine(), api_keys=str(keys))
    server.engine.hold()
    alice, bob = Client(server, KEY), Client(server, f"{KEY}-of-bob")
    wrong = Client(server, "wrong").create(input={"prompt": "a cat"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "UNAUTHORIZED")
    id = alice.create(input={"prompt": "a cat"}).json()["id"]
    for answer in (bob.get(id), bob.cancel(id)):
        assert (answer.status_code, answer.json()["code"]) == (404, "RUN_NOT_FOUND")
    assert alice.cancel(id).json()["status_code"] == "canceled"
    assert alice.cancel(id).json()["output"] is None


def test_a_run_outlives_its_server(start: Callable[..., Running], tmp_path: Path) -> None:
    first = start(FakeEngine(), files_dir=str(tmp_path))
    done = Client(first).create(input={"prompt": "a cat"}).json()["id"]
    run = Client(first).ended(done)
    first.server.stop()
    second = start(FakeEngine(), files_dir=str(tmp_path))
    again = Client(second).get(done).json()
    assert (again["status_code"], again["completed_at"]) == ("succeeded", run["completed_at"])
    assert httpx.get(again["output"]["image_urls"][0]).is_success


def test_the_documents_example(running: Running) -> None:
    picture = run_example("runflow", running.url)["picture"]
    assert Image.open(io.BytesIO(picture)).format == "JPEG"
