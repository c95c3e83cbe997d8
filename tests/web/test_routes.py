"""The HTTP routes: health, pictures to keep, the page's files, and nothing else."""

from __future__ import annotations

import io
import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from lightning_demo.studio.animation import MAX_BYTES
from lightning_demo.web.ui.words import FILES

from .conftest import Running
from .fakes import FakeEngine, FakePair, color_of, wanted_color

INVALID: list[tuple[dict[str, Any], str | None]] = [
    ({}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": 7}, "prompt"),
    ({"prompt": "x" * 100_001}, "prompt"),
    ({"prompt": "x", "negative_prompt": []}, "negative_prompt"),
    ({"prompt": "x", "num_inference_steps": 1}, "num_inference_steps"),
    ({"prompt": "x", "num_inference_steps": 4.5}, "num_inference_steps"),
    ({"prompt": "x", "guidance_scale": 99}, "guidance_scale"),
    ({"prompt": "x", "seed": 2**64}, "seed"),
    ({"prompt": "x", "seed": -1}, "seed"),
    ({"prompt": "x", "width": 100_000}, "width"),
    ({"prompt": "x", "height": 65}, "height"),
    ({"prompt": "x", "file": "/etc/passwd"}, "file"),
]
PATHS = [
    "/web/../../app.py",
    "/web/%2e%2e/%2e%2e/app.py",
    "/web/..%2f..%2fapp.py",
    "/web//etc/passwd",
    "/web/%00",
    "/web/",
    "/web",
    "/web/live.js/",
    "/web/live.js%00.png",
    "/file=/etc/passwd",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=/proc/self/environ",
    "/gradio_api/file=http://169.254.169.254/latest/meta-data",
    "/gradio_api/proxy=http://127.0.0.1:22/",
    "/gradio_api/runs",
]


def test_health_and_readiness(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    running = start(engine)
    assert httpx.get(f"{running.url}/healthz").json()["state"] == "ready"
    assert httpx.get(f"{running.url}/readyz").status_code == 200
    for state in ("loading", "failed", "closed"):
        engine.say(state=state)
        health, ready = (httpx.get(f"{running.url}/{path}") for path in ("healthz", "readyz"))
        assert (health.status_code, health.json()["state"]) == (200, state)
        assert (ready.status_code, ready.json()["detail"]) == (503, state)
        assert ready.headers["Retry-After"]


def test_a_stand_in_is_ready_and_health_tells_what_is_coming(start: Callable[..., Running]) -> None:
    pair = FakePair()
    url = start(pair.engine).url
    health = httpx.get(f"{url}/healthz").json()
    assert httpx.get(f"{url}/readyz").status_code == 200
    assert (health["state"], health["model"], health["loading_model"]) == (
        "ready",
        "miniature",
        "sdxl-lightning",
    )
    assert (health["progress"], health["detail"]) == (0.24, "Downloading, 1.2 of 5.1 GB")
    pair.fail()
    health = httpx.get(f"{url}/healthz").json()
    assert httpx.get(f"{url}/readyz").status_code == 200
    assert (health["model"], health["loading_model"], health["progress"]) == ("miniature", "", None)
    assert health["detail"] == f"Miniature goes on without SDXL-Lightning: {pair.MISSING}"


def test_a_picture_names_the_model_that_painted_it(start: Callable[..., Running]) -> None:
    pair = FakePair()
    url = start(pair.engine).url
    for model, side, color in (
        ("miniature", 256, color_of("a boat")),
        ("sdxl-lightning", 1024, wanted_color("a boat")),
    ):
        answer = httpx.post(f"{url}/picture", json={"prompt": "a boat", "seed": 9})
        assert f'filename="{model}-9.png"' in answer.headers["content-disposition"]
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.size == (side, side)
        assert picture.getpixel((5, 5)) == color
        settings = json.loads(picture.info["generation"])
        assert (settings["model"], settings["width"]) == (model, side)
        pair.arrive()


def test_a_picture_comes_lossless_with_its_settings(running: Running) -> None:
    fields = {
        "prompt": "a blue boat",
        "seed": 9,
        "num_inference_steps": 2,
        "width": 384,
        "height": 256,
    }
    answer = httpx.post(f"{running.url}/picture", json=fields)
    assert answer.headers["content-type"] == "image/png"
    assert 'filename="miniature-9.png"' in answer.headers["content-disposition"]
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (384, 256)
    assert picture.getpixel((80, 48)) == color_of("a blue boat")
    settings = json.loads(picture.info["generation"])
    assert settings.items() >= fields.items()
    assert "a blue boat" in picture.info["parameters"]


@pytest.mark.parametrize(("fields", "field"), INVALID)
def test_what_is_invalid_is_named(
    running: Running, fields: dict[str, Any], field: str | None
) -> None:
    answer = httpx.post(f"{running.url}/picture", json=fields)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["field"]) == (422, field)
    assert problem["title"] and problem["detail"].startswith(str(field))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"null", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_request(running: Running, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{running.url}/picture", content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (422, 422)


def test_other_types_and_methods_are_refused(running: Running) -> None:
    assert httpx.post(f"{running.url}/picture", data={"prompt": "x"}).status_code == 415
    assert httpx.get(f"{running.url}/picture").status_code in (404, 405)
    assert httpx.post(f"{running.url}/healthz").status_code == 405


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.glob("*.js")))
def test_the_pages_files_are_served(running: Running, name: str) -> None:
    answer = httpx.get(f"{running.url}/web/{name}")
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", PATHS)
def test_nothing_else_is_served(running: Running, path: str) -> None:
    answer = httpx.get(running.url + path, follow_redirects=False)
    assert answer.status_code in (307, 400, 403, 404)
    assert "root:" not in answer.text and "lightning_demo" not in answer.text


def test_uploads_are_refused(running: Running) -> None:
    files = {"files": ("x.html", b"x" * 5_000)}
    answer = httpx.post(f"{running.url}/gradio_api/upload", files=files)
    assert answer.status_code == 413


def test_an_animation(running: Running) -> None:
    body = film(2)
    answer = httpx.post(f"{running.url}/animation?format=gif", content=body)
    assert answer.headers["content-type"] == "image/gif"
    assert Image.open(io.BytesIO(answer.content)).format == "GIF"
    answer = httpx.post(f"{running.url}/animation?format=mp4", content=body)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.content[4:8] == b"ftyp"
    for query, content, field in (
        ("format=gif", b"x", "pictures"),
        ("format=webm", body, "format"),
        ("", body, "format"),
    ):
        answer = httpx.post(f"{running.url}/animation?{query}", content=content)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    too_large = bytes(MAX_BYTES + 1)
    answer = httpx.post(f"{running.url}/animation?format=gif", content=too_large)
    assert answer.status_code == 413


def test_a_slow_sender_holds_up_nobody_elses_film(running: Running) -> None:
    body = film(2)
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        head = f"POST /animation?format=gif HTTP/1.1\r\nHost: {host}:{port}\r\n"
        slow.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:9])
        own = wait_for_refusal(running)
        assert "nother film" in own.json()["detail"], "whoever sends one waits with the next"
        other = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=other) as client:
            made = client.post(f"{running.url}/animation?format=gif", content=body)
        assert made.headers["content-type"] == "image/gif"
        slow.sendall(body[9:])
        assert slow.recv(15).startswith(b"HTTP/1.1 200")
    assert httpx.post(f"{running.url}/animation?format=gif", content=body).status_code == 200


def film(pictures: int) -> bytes:
    """What a page sends of so many pictures."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    picture = buffer.getvalue()
    return pictures * (len(picture).to_bytes(4, "big") + picture)


def wait_for_refusal(running: Running) -> httpx.Response:
    """The first answer 503: the server has begun to read what another connection sends."""
    until = time.monotonic() + 10
    while True:
        answer = httpx.post(f"{running.url}/animation?format=gif", content=film(1))
        if answer.status_code == 503 or time.monotonic() > until:
            return answer


def test_without_pyav_there_is_no_film(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    answer = httpx.post(f"{running.url}/animation?format=mp4", content=b"x")
    assert (answer.status_code, answer.json()["field"]) == (422, "format")
    assert "PyAV is not installed" in answer.json()["detail"]


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_picture_in_other_formats(running: Running, format: str) -> None:
    request = {"prompt": "a boat", "seed": 9}
    answer = httpx.post(f"{running.url}/picture?format={format}", json=request)
    assert answer.headers["content-type"] == f"image/{format}"
    assert f"-9.{format}" in answer.headers["content-disposition"]
    assert "total;dur=" in answer.headers["server-timing"]
    assert Image.open(io.BytesIO(answer.content)).format == format.upper()
    assert not running.engine.works[-1].yields
    assert httpx.post(f"{running.url}/picture?yields=1", json=request).status_code == 200
    assert running.engine.works[-1].yields, "one of many gives way"
    refused = httpx.post(f"{running.url}/picture?format=gif", json=request)
    assert (refused.status_code, refused.json()["field"]) == (422, "format")
