"""Whatever address a visitor sends, in whatever field: the server asks nobody.

Webhooks, which hosts must be allowed for, are in api/test_webhooks.py.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio.processing_utils
import httpx
import pytest

from .api.vendors import PAINTERS, Vendor, post
from .conftest import PATIENCE, Running

HOST = "host-of-a-stranger.example"


class Listener:
    """A place on this machine that notes who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/picture.png"
        self.visits = 0
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with closing(Listener()) as made:
        yield made


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that anybody in this process wants to reach, beside this machine's own."""
    names: list[str] = []
    resolve = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name == HOST:
            names.append(name)
            raise socket.gaierror("not known")
        return resolve(host, *rest, **options)

    async def fetch(url: str, *rest: Any, **options: Any) -> None:
        names.append(url)  # Gradio's own client looks names up by itself
        raise ConnectionError("not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(gradio.processing_utils.sh, "get", fetch)
    return names


@pytest.mark.parametrize("kind", ["queue/join", "call/live", "run/live"])
def test_gradio_fetches_no_file_in_place_of_a_text(
    running: Running,
    listener: Listener,
    asked_for: list[str],
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = httpx.get(f"{running.url}/config").json()
    (live,) = [each for each in config["dependencies"] if each["api_name"] == "live"]
    session = {"fn_index": live["id"], "session_hash": "files"}
    with httpx.Client(base_url=f"{running.url}/gradio_api/", timeout=PATIENCE) as client:
        for url in (f"http://{HOST}/x.png", f"https://{HOST}/x.png", listener.url):
            file = {"path": url, "url": url, "meta": {"_type": "gradio.FileData"}}
            answer = client.post(kind, json={"data": [file], **session})
            if kind == "run/live":
                assert answer.status_code == 500 and "takes no files" in answer.text
                continue
            event = answer.json()["event_id"]
            way = f"call/live/{event}" if kind == "call/live" else "queue/data?session_hash=files"
            told = client.get(way).text
            assert ("event: error" if kind == "call/live" else "takes no files") in told
    assert (asked_for, listener.visits) == ([], 0)
    assert "Traceback" not in caplog.text


def strings(question: Any) -> Iterator[str]:
    """The fields that take some text."""
    for name, schema in question.model_json_schema()["properties"].items():
        kinds = [choice.get("type") for choice in schema.get("anyOf", [schema])]
        if "string" in kinds or None in kinds:
            yield name


@pytest.mark.parametrize("vendor", PAINTERS.values(), ids=list(PAINTERS))
def test_no_field_of_an_api_is_an_address_to_fetch(
    running: Running, listener: Listener, asked_for: list[str], vendor: Vendor
) -> None:
    names = {"image", "image_url", "init_image", "mask", "url", "lora", "loras", "webhook_url"}
    with httpx.Client(base_url=running.url, timeout=PATIENCE) as client:
        for url in (listener.url, f"https://{HOST}/x.png"):
            for name in sorted(names | set(strings(vendor.question))):
                post(client, vendor, {**vendor.body, name: url})
            for name in sorted(names | set(strings(vendor.inner or vendor.question))):
                post(client, vendor, vendor.asking(**{name: url}))
    assert (asked_for, listener.visits) == ([], 0)


def test_no_route_passes_requests_on(
    running: Running, listener: Listener, asked_for: list[str]
) -> None:
    proxy = PAINTERS["fal proxy"]
    with httpx.Client(base_url=running.url, timeout=PATIENCE) as client:
        for url in (listener.url, f"http://{HOST}/x.png", f"https://{HOST}/x.png"):
            for way in ("gradio_api/file=", "gradio_api/proxy=", "file=", "proxy=", "files/"):
                answer = client.get(f"/{way}{url}", follow_redirects=False)
                assert 300 <= answer.status_code < 500, (way, answer.status_code)
            assert not post(client, proxy, proxy.body, **{"x-fal-target-url": url}).is_success
    assert (asked_for, listener.visits) == ([], 0)


def test_a_picture_to_read_is_no_address(
    running: Running, listener: Listener, asked_for: list[str]
) -> None:
    for url in (listener.url, f"https://{HOST}/x.png"):
        body = json.dumps({"image": url})
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(f"{running.url}/sdapi/v1/png-info", content=body, headers=headers)
        assert answer.status_code == 422
    assert (asked_for, listener.visits) == ([], 0)
