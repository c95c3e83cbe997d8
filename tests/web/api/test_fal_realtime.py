"""fal's realtime, asked by fal's own client for Python, and frame by frame."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fal_client
import fal_client.client
import msgpack
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection

from lightning_demo.web.api import fal_realtime
from lightning_demo.web.api.fal_realtime import Waiting
from lightning_demo.web.messages import MAX_MESSAGE_BYTES

from ..conftest import PATIENCE, Running, connect, wait_for
from ..fakes import FakeEngine, color_of

APP = "fal-ai/fast-lightning-sdxl"
PATH = f"/fal/run/{APP}/realtime"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    running = Running(FakeEngine())
    yield running
    running.server.stop()


@pytest.fixture(autouse=True)
def as_it_was(server: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """fal's client is pointed at the server, and nothing that a test does to the engine stays."""
    address = server.url.replace("http", "ws", 1) + "/fal/run/"
    monkeypatch.setattr(fal_client.client, "REALTIME_URL_FORMAT", address)
    monkeypatch.setenv("FAL_KEY", "any")
    yield
    server.engine.release()


def opened(server: Running, query: str = "", **options: Any) -> ClientConnection:
    """A connection of one's own."""
    return connect(server.url.replace("http", "ws", 1) + PATH + query, **options)


def say(socket: ClientConnection, **fields: Any) -> None:
    socket.send(msgpack.packb(fields))


def hear(socket: ClientConnection) -> dict[str, Any]:
    """The next frame, whatever it is."""
    frame = socket.recv(timeout=PATIENCE)
    return json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)


def shows(data: bytes, prompt: str) -> bool:
    """Whether bytes are the picture of a prompt."""
    seen = Image.open(io.BytesIO(data)).convert("RGB").getpixel((5, 5))
    return all(abs(a - b) < 24 for a, b in zip(seen, color_of(prompt), strict=True))


def test_the_client_gets_the_pictures_bytes():
    with fal_client.realtime(APP, use_jwt=False, max_buffering=2) as live:
        live.send({"prompt": "a cat", "seed": 5, "sync_mode": True, "request_id": "one"})
        answer = live.recv()
        assert answer is not None
        (image,) = answer["images"]
        assert shows(image["content"], "a cat")
        assert (image["width"], image["height"], image["content_type"]) == (256, 256, "image/jpeg")
        assert (answer["seed"], answer["request_id"], answer["prompt"]) == (5, "one", "a cat")
        assert isinstance(answer["timings"]["inference"], float)
        live.send({"prompt": "a dog", "num_images": 2, "_force_msgpack": True, "format": "png"})
        answer = live.recv()
        assert answer is not None
        assert [image["content"][1:4] for image in answer["images"]] == [b"PNG", b"PNG"]


def test_the_asynchronous_client():
    async def ask() -> dict[str, Any] | None:
        async with fal_client.realtime_async(APP, use_jwt=False) as live:
            await live.send({"prompt": "a cat", "num_inference_steps": "3"})
            return await live.recv()

    answer = asyncio.run(ask())
    assert answer is not None
    url = answer["images"][0]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    assert shows(base64.b64decode(url.partition(",")[2]), "a cat")
    assert answer["warnings"][0].startswith("num_inference_steps: 3 became 4")


def test_json_is_answered_with_json_unless_msgpack_is_forced(server: Running):
    with opened(server) as socket:
        socket.send(json.dumps({"prompt": "a cat", "sync_mode": True}))
        frame = socket.recv(timeout=PATIENCE)
        assert isinstance(frame, str)
        assert json.loads(frame)["images"][0]["url"].startswith("data:image/jpeg")
        socket.send(json.dumps({"prompt": "a cat", "_force_msgpack": True}))
        frame = socket.recv(timeout=PATIENCE)
        assert isinstance(frame, bytes)
        assert shows(msgpack.unpackb(frame)["images"][0]["content"], "a cat")


def test_timings_are_a_text_frame_of_their_own(server: Running):
    with opened(server) as socket:
        say(socket, prompt="a cat", emit_timings=True)
        assert hear(socket)["prompt"] == "a cat"
        message = socket.recv(timeout=PATIENCE)
        assert isinstance(message, str)
        timings = json.loads(message)
        assert (timings["type"], timings["action"]) == ("x-fal-message", "timings")
        assert timings["timing"] > 0


def test_of_frames_that_wait_the_newest_are_painted(server: Running):
    server.engine.hold()
    with opened(server, "?max_buffering=2") as socket:
        say(socket, prompt="word 0")
        wait_for(lambda: [r.prompt for r in server.engine.requests].count("word 0"))
        for number in range(1, 10):
            say(socket, prompt=f"word {number}", seed=number)
        socket.ping().wait(PATIENCE)  # all of them have arrived
        server.engine.release()
        heard = [hear(socket)["prompt"] for _ in range(3)]
        assert heard == ["word 0", "word 8", "word 9"]
        say(socket, prompt="and nothing between")
        assert hear(socket)["prompt"] == "and nothing between"


def test_a_mistake_is_told_and_the_connection_goes_on(server: Running):
    with fal_client.realtime(APP, use_jwt=False) as live:
        live.send({"prompt": "x", "num_images": 9, "request_id": "mine"})
        with pytest.raises(fal_client.client.RealtimeError) as caught:
            live.recv()
        assert caught.value.error == "INVALID_INPUT"
        assert caught.value.reason == "num_images: must be a whole number from 1 to 8."
        assert caught.value.payload["request_id"] == "mine"
        assert caught.value.payload["detail"][0]["loc"] == ["body", "num_images"]
        live.send({"prompt": "a cat"})
        assert live.recv()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x81\xa6prompt",
        b"\x91" * 2_000,
        msgpack.packb([1, 2]),
        msgpack.packb({1: 2}, strict_types=True),
        msgpack.packb({"prompt": b"\xff"}),
        msgpack.packb({"prompt": msgpack.ExtType(5, b"x")}),
        msgpack.packb({"prompt": "x", "guidance_scale": float("nan")}),
        msgpack.packb({"prompt": "x", "num_inference_steps": float("inf")}),
        "{",
        "[]",
        '{"prompt": "\\ud800"}',
        "[" * 100_000,
    ],
)
def test_garbage_is_refused_in_words(server: Running, frame: bytes | str):
    with opened(server) as socket:
        socket.send(frame)
        answer = hear(socket)
        assert (answer["type"], answer["error"]) == ("x-fal-error", "INVALID_INPUT")
        assert answer["reason"]
        say(socket, prompt="a cat")
        assert hear(socket)["prompt"] == "a cat"


def test_a_fault_keeps_its_words_to_itself(server: Running):
    with opened(server) as socket:
        say(socket, prompt="poison")
        answer = hear(socket)
        assert answer["error"] == "INTERNAL_ERROR"
        assert "secret" not in json.dumps(answer)


def test_who_says_nothing_is_told_so_and_let_go(server: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fal_realtime, "IDLE_SECONDS", 0.05)
    with opened(server) as socket:
        assert hear(socket)["error"] == "TIMEOUT"
        with pytest.raises(ConnectionClosedOK):
            socket.recv(timeout=PATIENCE)


def test_who_goes_away_is_not_painted_for(server: Running):
    server.engine.hold()
    with opened(server) as socket:
        say(socket, prompt="gone")
        wait_for(lambda: server.engine.running)
    wait_for(lambda: server.engine.running == 0)


@pytest.mark.parametrize("value", ["0", "61", "two", "-1", "²", "9" * 5_000])
def test_a_bad_number_of_frames_is_refused(server: Running, value: str):
    with pytest.raises(InvalidStatus) as caught, opened(server, f"?max_buffering={value}"):
        pass
    assert caught.value.response.status_code in (422, 400)


def test_keys_come_as_header_or_token(start: Any, tmp_path: Path):
    keys = tmp_path / "keys"
    keys.write_text("ann sk-0123456789abcdef\n")
    running = start(FakeEngine(), api_keys=str(keys))
    header = {"Authorization": "Key sk-0123456789abcdef"}
    for query, headers in (("?fal_jwt_token=sk-0123456789abcdef", {}), ("", header)):
        with opened(running, query, additional_headers=headers) as socket:
            say(socket, prompt="a cat")
            assert hear(socket)["prompt"] == "a cat"
    for query, status in (("", 401), ("?fal_jwt_token=sk-of-nobody-at-all", 403)):
        with pytest.raises(InvalidStatus) as caught, opened(running, query):
            pass
        assert caught.value.response.status_code == status
        assert json.loads(caught.value.response.body)["detail"]


def test_a_key_that_is_taken_back_paints_no_more(start: Any, tmp_path: Path):
    keys = tmp_path / "keys"
    keys.write_text("ann sk-0123456789abcdef\n")
    running = start(FakeEngine(), api_keys=str(keys))
    with opened(running, "?fal_jwt_token=sk-0123456789abcdef") as socket:
        say(socket, prompt="a cat")
        assert hear(socket)["prompt"] == "a cat"
        keys.write_text("bob sk-fedcba9876543210-new\n")
        say(socket, prompt="a cat")
        assert hear(socket)["error"] == "UNAUTHORIZED"


def test_waiting_frames_are_bounded_in_bytes_too():
    async def ask() -> list[bytes | str]:
        waiting = Waiting(60)
        for number in range(60):
            waiting.put(bytes([number]) * (MAX_MESSAGE_BYTES // 4))
        return [await waiting.next() for _ in range(4)]

    assert [frame[0] for frame in asyncio.run(ask())] == [56, 57, 58, 59]
