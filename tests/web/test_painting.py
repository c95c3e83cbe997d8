"""Pictures to keep: what every API relies on when it asks for one."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lightning_demo.errors import (
    EngineUnavailable,
    GenerationFailed,
    InvalidRequest,
    LightningError,
    OutOfMemory,
    RateLimited,
)
from lightning_demo.schemas import GenerationRequest
from lightning_demo.web import painting as module
from lightning_demo.web.painting import ClientGone, Painting

from .conftest import Running, wait_for
from .fakes import LIMITS, FakeEngine, FakePair

Run = Callable[[Coroutine[Any, Any, Any]], Any]
A_CAT = GenerationRequest.parse({"prompt": "a cat", "seed": 1}, LIMITS)


async def stay() -> dict[str, str]:
    """A client that waits for its answer."""
    await asyncio.Event().wait()
    raise AssertionError


def client(address: str = "203.0.113.1", receive: Callable[[], Awaitable[Any]] = stay) -> Request:
    """An HTTP request whose body has been read."""
    return Request({"type": "http", "client": (address, 1), "headers": []}, receive)


def posted(body: bytes, address: str = "203.0.113.1") -> Request:
    """An HTTP request with a body to be read."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    headers = [(b"content-type", b"application/json")]
    return Request({"type": "http", "client": (address, 1), "headers": headers}, receive)


async def settled(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_the_frame_has_pixels_and_names_its_model(run: Run) -> None:
    async def paint() -> None:
        frame = await Painting(FakeEngine()).paint(A_CAT, client())
        assert (frame.final, frame.model, frame.request) == (True, "miniature", A_CAT)
        assert frame.pixels.shape == (128, 128, 3)
        pair = FakePair()
        pair.arrive()
        assert (await Painting(pair.engine).paint(A_CAT, client())).model == "sdxl-lightning"

    run(paint())


def test_the_pictures_of_one_address_take_turns(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        painting = Painting(engine)
        for address in ("203.0.113.1", "2001:db8::1", "2001:db8::2"):
            await painting.paint(A_CAT, client(address))
        clients = [work.client for work in engine.works]
        assert clients == [
            ("address", "203.0.113.1"),
            ("address", "2001:db8::/64"),
            ("address", "2001:db8::/64"),
        ]

    run(paint())


def test_errors_are_told_and_secrets_are_not(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        painting = Painting(engine)

        async def error(fault: Exception) -> LightningError:
            engine.fault = lambda request: fault
            with pytest.raises(LightningError) as caught:
                await painting.paint(A_CAT, client())
            return caught.value

        known = OutOfMemory("Too little memory; try a smaller size.")
        assert await error(known) is known
        assert (await error(GenerationFailed("It broke."))).message == "It broke."
        fault = await error(RuntimeError("key=/home/me/secret"))
        assert (fault.status, "incident" in fault.message) == (500, True)
        assert "secret" not in fault.message
        engine.say(state="failed", detail="No weights.")
        assert (await error(known)).message == "No weights."
        assert not painting.busy

    run(paint())


def test_only_some_are_painted_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PICTURES", 3)
    monkeypatch.setattr(module, "PICTURES_PER_ADDRESS", 2)

    async def paint() -> None:
        engine = FakeEngine()
        engine.say(state="loading")
        painting = Painting(engine)

        def begin(address: str) -> asyncio.Task[Any]:
            return asyncio.create_task(painting.paint(A_CAT, client(address)))

        started = [begin("203.0.113.1") for _ in range(2)]
        await settled(lambda: engine.running == 2)
        with pytest.raises(RateLimited):
            await begin("203.0.113.1")
        started.append(begin("203.0.113.2"))
        await settled(lambda: engine.running == 3)
        with pytest.raises(EngineUnavailable):
            await begin("203.0.113.3")
        engine.say(state="ready")
        assert all(frame.final for frame in await asyncio.gather(*started))
        assert (await begin("203.0.113.1")).final

    run(paint())


def test_an_address_may_ask_for_so_many_and_then_seldom(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PICTURES_AT_ONCE", 2)
    monkeypatch.setattr(module, "PICTURES_PER_SECOND", 0.001)

    async def read() -> None:
        painting = Painting(FakeEngine())
        for _ in range(2):  # bodies that are none count, too
            with pytest.raises(InvalidRequest):
                await painting.read(posted(b"[]"))
        with pytest.raises(RateLimited) as caught:
            await painting.read(posted(b"[]"))
        assert 900 < caught.value.seconds <= 1000
        assert await painting.read(posted(b"{}", "203.0.113.7")) == {}
        painting.drain()
        with pytest.raises(EngineUnavailable):
            await painting.read(posted(b"{}", "203.0.113.8"))

    run(read())


def test_what_runs_is_finished_while_draining_and_nothing_new_is_taken(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        engine.hold()
        painting = Painting(engine)
        running = asyncio.create_task(painting.paint(A_CAT, client()))
        await engine.reached()
        painting.drain()
        with pytest.raises(EngineUnavailable) as caught:
            await painting.paint(A_CAT, client())
        assert "restarted" in caught.value.message
        assert painting.busy
        engine.release()
        assert (await running).final
        assert not painting.busy

    run(paint())


def test_a_client_that_goes_away_takes_its_picture_with_it(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        engine.hold()
        gone = asyncio.Event()

        async def receive() -> dict[str, str]:
            await gone.wait()
            return {"type": "http.disconnect"}

        painting = Painting(engine)
        running = asyncio.create_task(painting.paint(A_CAT, client(receive=receive)))
        await engine.reached()
        gone.set()
        with pytest.raises(ClientGone):
            await running
        assert (engine.running, painting.busy) == (0, False)

    run(paint())


def test_a_picture_that_takes_too_long_is_given_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAINT_SECONDS", 0.01)

    async def paint() -> None:
        engine = FakeEngine()
        engine.hold()
        with pytest.raises(EngineUnavailable) as caught:
            await Painting(engine).paint(A_CAT, client())
        assert "not finished within 0.01 s" in caught.value.message
        assert engine.running == 0

    run(paint())


def test_another_api_is_a_translation_and_a_route(run: Run) -> None:
    """As CONTRIBUTING promises whoever adds a vendor's API."""
    engine = FakeEngine()
    painting = Painting(engine)

    async def predict(http: Request) -> JSONResponse:
        try:
            fields = await painting.read(http)
            wanted = {"prompt": fields["input"]["text"], "num_inference_steps": fields["steps"]}
            frame = await painting.paint(GenerationRequest.parse(wanted, LIMITS), http)
        except LightningError as error:
            return JSONResponse({"error": error.message}, error.status)
        size = "{}x{}".format(*frame.size)
        return JSONResponse({"model": frame.model, "size": size, "steps": frame.step})

    async def ask() -> None:
        app = Starlette(routes=[Route("/v1/predict", predict, methods=["POST"])])
        transport = httpx.ASGITransport(app, client=("203.0.113.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            body = {"input": {"text": "a cat"}, "steps": 2}
            answer = await client.post("/v1/predict", json=body)
            assert answer.json() == {"model": "miniature", "size": "128x128", "steps": 2}
            answer = await client.post("/v1/predict", json={**body, "steps": 3})
            assert (answer.status_code, "2, 4, 8" in answer.json()["error"]) == (422, True)
            painting.drain()
            answer = await client.post("/v1/predict", json=body)
            assert (answer.status_code, "restarted" in answer.json()["error"]) == (503, True)
        assert [work.client for work in engine.works] == [("address", "203.0.113.1")]

    run(ask())


# Over HTTP ------------------------------------------------------------------------------------


def test_a_refusal_says_when_to_come_again(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PICTURES_AT_ONCE", 1)
    monkeypatch.setattr(module, "PICTURES_PER_SECOND", 0.001)
    running = start()

    def save(**headers: str) -> httpx.Response:
        return httpx.post(f"{running.url}/picture", json={"prompt": "x"}, headers=headers)

    assert save().status_code == 200
    refused = save()
    assert (refused.status_code, refused.json()["title"]) == (429, "Too Many Requests")
    assert 900 < int(refused.headers["Retry-After"]) <= 1000
    # The header of a proxy on this machine is believed.
    assert save(**{"X-Forwarded-For": "203.0.113.7"}).status_code == 200
    monkeypatch.setattr(module, "MAX_PICTURES", 0)
    full = save(**{"X-Forwarded-For": "203.0.113.8"})
    assert (full.status_code, full.headers["Retry-After"]) == (503, "2")


def test_a_stranger_who_claims_another_address_is_not_believed(
    start: Callable[..., Running],
) -> None:
    running = start()
    # Every address of 127.0.0.0/8 is this machine, but a proxy is looked for on the first only.
    stranger = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(transport=stranger, headers={"X-Forwarded-For": "203.0.113.7"}) as client:
        assert client.post(f"{running.url}/picture", json={"prompt": "x"}).status_code == 200
    assert running.engine.works[-1].client == ("address", "127.0.0.2")


def test_hanging_up_stops_the_work(start: Callable[..., Running]) -> None:
    running = start(FakeEngine(step_seconds=3600))
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=20)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/picture", '{"prompt": "x"}', headers)
    wait_for(lambda: running.engine.running == 1)
    connection.close()
    wait_for(lambda: running.engine.running == 0)
