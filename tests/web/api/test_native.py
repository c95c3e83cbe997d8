"""Our own API over HTTP."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from lightning_demo.errors import OutOfMemory
from lightning_demo.web.api.native import accepted

from ..conftest import Running, wait_for
from ..fakes import LIMITS, STAGES, FakeEngine

WIDTH, HEIGHT = LIMITS.sizes[0]


def paint(ask: httpx.Client, accept: str = "*/*", **fields: Any) -> httpx.Response:
    body = {"prompt": "a cat", "seed": 1, **fields}
    return ask.post("/v1/pictures", json=body, headers={"Accept": accept})


def events(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in answer.text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_json_with_addresses(ask: httpx.Client) -> None:
    made = paint(ask, num_images=2, num_inference_steps=2).json()
    assert (made["model"], made["num_inference_steps"]) == ("miniature", 2)
    assert made["warnings"] == [] and made["timings"]["total_ms"] > 0
    assert [picture["seed"] for picture in made["pictures"]] == [1, 2]
    for picture in made["pictures"]:
        file = httpx.get(picture["url"])
        assert file.headers["Content-Type"] == "image/jpeg"
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert Image.open(io.BytesIO(file.content)).size == (WIDTH, HEIGHT)


def test_json_with_base64(ask: httpx.Client) -> None:
    made = paint(ask, response_format="b64_json", output_format="webp").json()
    (picture,) = made["pictures"]
    assert "url" not in picture and picture["media_type"] == "image/webp"
    assert Image.open(io.BytesIO(base64.b64decode(picture["b64_json"]))).format == "WEBP"


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_the_bytes_of_a_picture_with_its_settings_inside(ask: httpx.Client, format: str) -> None:
    answer = paint(ask, f"image/{format}", seed=12345)
    assert (answer.headers["X-Seed"], answer.headers["X-Model"]) == ("12345", "miniature")
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.format == format.upper()
    comment = picture.getexif().get_ifd(0x8769).get(0x9286, b"")
    text = picture.info.get("parameters") or comment[8:].decode("utf-16-be")
    assert text.startswith("a cat\nSteps: 4,") and "Seed: 12345" in text


@pytest.mark.parametrize("accept", ["image/jpeg", "image/png", "application/json"])
def test_the_engines_time_by_stage(ask: httpx.Client, accept: str) -> None:
    told = paint(ask, accept, seed=54321).headers["Server-Timing"]
    stages = dict(stage.split(";dur=") for stage in told.split(", "))
    assert list(stages) == list(STAGES)
    assert all(float(ms) >= 0 for ms in stages.values())


def test_a_prompt_longer_than_a_jpegs_settings_can_be(ask: httpx.Client) -> None:
    assert paint(ask, "image/jpeg", prompt="cat " * 20_000).status_code == 200


def test_quality_is_honoured(ask: httpx.Client) -> None:
    low, high = (
        len(paint(ask, "image/jpeg", output_quality=quality).content) for quality in (5, 100)
    )
    assert low < high


def test_previews_as_events(ask: httpx.Client) -> None:
    told = events(paint(ask, "text/event-stream", num_inference_steps=8))
    assert [name for name, _ in told][-2:] == ["picture", "done"]
    previews = [data for name, data in told if name == "preview"]
    assert all(data["num_inference_steps"] == 8 for data in previews)
    assert [data["step"] for data in previews] == sorted({data["step"] for data in previews})
    picture = told[-2][1]
    assert httpx.get(picture["url"]).status_code == 200


def test_what_is_changed_is_told(ask: httpx.Client) -> None:
    made = paint(ask, steps=12, resolution="1024x1024", scheduler="K_EULER", model="x", foo=1)
    warnings = {line.partition(":")[0] for line in made.json()["warnings"]}
    assert warnings == {"steps", "resolution", "scheduler", "model", "foo"}, "as they were named"
    headers = paint(ask, "image/png", width=1024, height=1024).headers
    assert json.loads(headers["X-Warnings"])[0].startswith("width: 1024x1024 became")
    assert paint(ask, aspect_ratio="3:2").json()["pictures"][0]["width"] > WIDTH
    both = paint(ask, width=WIDTH, height=HEIGHT, aspect_ratio="3:2").json()
    assert both["warnings"] == [
        "aspect_ratio: has no effect, since the size has been given already."
    ]


@pytest.mark.parametrize(
    ("accept", "fields", "reason"),
    [
        ("*/*", {"num_inference_steps": 2, "steps": 8}, "steps: has no effect beside num_"),
        ("*/*", {"guidance_scale": 0, "guidance": 1}, "guidance: has no effect beside guidance_"),
        ("*/*", {"output_format": "png", "output_quality": 5}, "output_quality: has no effect on"),
        ("image/png", {"output_quality": 5}, "output_quality: has no effect on PNG"),
        ("image/webp", {"response_format": "url"}, "response_format: has no effect, since Accept"),
    ],
)
def test_what_has_no_effect_beside_another_is_told(
    ask: httpx.Client, accept: str, fields: dict[str, Any], reason: str
) -> None:
    answer = paint(ask, accept, **fields)
    picture = accept.startswith("image")
    told = json.loads(answer.headers["X-Warnings"]) if picture else answer.json()["warnings"]
    assert len(told) == 1 and told[0].startswith(reason)


def test_strict_changes_nothing(ask: httpx.Client) -> None:
    for fields, name in (
        ({"steps": 12}, "steps"),
        ({"num_inference_steps": 12}, "num_inference_steps"),
        ({"resolution": "1024x1024"}, "resolution"),
        ({"height": 1024}, "height"),
    ):
        refused = paint(ask, strict=True, **fields)
        assert (refused.status_code, refused.json()["field"]) == (422, name)
    assert paint(ask, resolution=f"{WIDTH}x{HEIGHT}", strict=True).status_code == 200


@pytest.mark.parametrize(
    ("accept", "fields", "field"),
    [
        ("*/*", {"prompt": ""}, "prompt"),
        ("*/*", {"prompt": "  "}, "prompt"),
        ("*/*", {"prompt": "a\x07"}, "prompt"),
        ("*/*", {"seed": -1}, "seed"),
        ("*/*", {"steps": 0}, "steps"),
        ("*/*", {"guidance": "much"}, "guidance"),
        ("*/*", {"guidance_scale": 21}, "guidance_scale"),
        ("*/*", {"num_images": 9}, "num_images"),
        ("*/*", {"width": "wide"}, "width"),
        ("image/png", {"num_images": 2}, "num_images"),
        ("image/png", {"output_format": "webp"}, "output_format"),
    ],
)
def test_bad_fields_are_named(
    ask: httpx.Client, accept: str, fields: dict[str, Any], field: str
) -> None:
    refused = paint(ask, accept, **fields)
    assert refused.headers["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert (refused.status_code, problem["field"]) == (422, field)
    assert problem["detail"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"prompt=a", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"prompt": "' + b"a" * 2**20 + b'"}', "application/json", 413),
    ],
)
def test_bad_bodies_are_refused(
    ask: httpx.Client, content: bytes, media_type: str, status: int
) -> None:
    headers = {"Content-Type": media_type}
    assert ask.post("/v1/pictures", content=content, headers=headers).status_code == status


@pytest.mark.parametrize(
    "name", ["nothing.png", "..%2fstore.sqlite", "%2e%2e/store.sqlite", "a%00b"]
)
def test_no_other_file_can_be_had(ask: httpx.Client, name: str) -> None:
    assert ask.get(f"/files/{name}").status_code == 404


def test_the_model_and_what_it_can_be_asked_for(ask: httpx.Client) -> None:
    (model,) = ask.get("/v1/models").json()["data"]
    assert (model["id"], model["object"]) == ("miniature", "model")
    assert model["sizes"][0] == [WIDTH, HEIGHT]


def test_faults_and_hanging_up(server: Running, ask: httpx.Client) -> None:
    engine: FakeEngine = server.engine
    engine.fault = lambda request: OutOfMemory("Too little memory.")
    try:
        failed = paint(ask)
        assert (failed.status_code, failed.headers["Retry-After"]) == (503, "2")
        told = events(paint(ask, "text/event-stream"))
        assert told == [("error", {"status": 503, "detail": "Too little memory.", "field": None})]
    finally:
        engine.fault = lambda request: None
    engine.hold()
    try:
        with ask.stream(
            "POST", "/v1/pictures", json={"prompt": "a"}, headers={"Accept": "text/event-stream"}
        ):
            wait_for(lambda: engine.running == 1)
        wait_for(lambda: engine.running == 0)
    finally:
        engine.release()


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html, image/png;q=0.9", "png"),
        ("application/json, image/png", "json"),
        ("image/*", "jpeg"),
        ("TEXT/EVENT-STREAM", "events"),
        ("image/jpeg;q=0.5, image/webp; q=0.8, text/html", "webp"),
        ("image/png;q=0, image/webp;Q=0.001", "webp"),
        ("image/png;q=0.0", "json"),
        ("image/png;q=2", "png"),
    ],
)
def test_accept_chooses_the_answer(header: str, answer: str) -> None:
    assert accepted(header) == answer
