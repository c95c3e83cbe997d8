"""Pictures to keep: what every API relies on when it asks for one."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from lightning_demo.engine.base import Started, Value, Work
from lightning_demo.errors import (
    EngineUnavailable,
    GenerationFailed,
    LightningError,
    OutOfMemory,
    RateLimited,
)
from lightning_demo.schemas import Frame, GenerationRequest
from lightning_demo.web import painting as module
from lightning_demo.web import routes
from lightning_demo.web.api.a1111 import MAX_PICTURES
from lightning_demo.web.callers import Caller, caller_at, trusted
from lightning_demo.web.painting import IN_ENGINE, ClientGone, Painting, while_connected

from .conftest import Running, wait_for
from .fakes import LIMITS, FakeEngine, FakePair

Run = Callable[[Coroutine[Any, Any, Any]], Any]
A_CAT = GenerationRequest.parse({"prompt": "a cat", "seed": 1}, LIMITS)


SOMEBODY = Caller("address", "203.0.113.1")


async def settled(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_the_frame_has_pixels_and_names_its_model(run: Run) -> None:
    async def paint() -> None:
        frame = await Painting(FakeEngine()).paint(A_CAT, SOMEBODY)
        assert (frame.final, frame.model, frame.request) == (True, "miniature", A_CAT)
        assert frame.pixels.shape == (256, 256, 3)
        pair = FakePair()
        pair.arrive()
        assert (await Painting(pair.engine).paint(A_CAT, SOMEBODY)).model == "sdxl-lightning"

    run(paint())


@pytest.mark.parametrize("pauses", range(6))
def test_being_given_up_is_not_missed_when_a_value_arrives(run: Run, pauses: int) -> None:
    """Whichever of the two comes first, and by however little."""

    async def give_up() -> None:
        engine = FakeEngine()
        engine.hold()
        painting = asyncio.create_task(Painting(engine).paint(A_CAT, SOMEBODY))
        await engine.reached()
        await asyncio.sleep(0.01)  # all that had come has been read
        (reader,) = engine._readers.values()
        reader.put(Started())
        for _ in range(pauses):
            await asyncio.sleep(0)
        painting.cancel()
        done, _ = await asyncio.wait([painting], timeout=5)
        assert done and painting.cancelled() and engine.running == 0

    run(give_up())


def test_nothing_is_kept_of_a_caller_whose_last_picture_is_another_servers(run: Run) -> None:
    async def paint() -> None:
        painting = Painting(FakeEngine())
        brought = painting.work(Work(A_CAT), SOMEBODY)
        asked = painting.values(replace(A_CAT, seed=2), SOMEBODY)
        for values in (brought, asked):
            await anext(values)
        for values in (asked, brought):
            await values.aclose()
        assert not painting.busy and not painting._turns

    run(paint())


def test_the_pictures_of_one_caller_take_turns(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        painting = Painting(engine)
        for caller in (SOMEBODY, Caller("key", "alice")):
            await painting.paint(A_CAT, caller)
        assert [work.client for work in engine.works] == [
            ("address", "203.0.113.1"),
            ("key", "alice"),
        ]

    run(paint())


def test_previews_are_made_only_where_somebody_is_told_of_them(run: Run) -> None:
    async def paint() -> None:
        told: list[Value] = []

        async def tell(place: int, value: Value) -> None:
            told.append(value)

        engine = FakeEngine()
        painting = Painting(engine)
        await painting.paint(A_CAT, SOMEBODY)
        await painting.paint_all([A_CAT], SOMEBODY)
        await painting.paint_all([A_CAT], SOMEBODY, tell)
        assert [work.previews for work in engine.works] == [False, False, True]
        assert len(told) > 2, "a preview is among them"

    run(paint())


def test_several_are_painted_beside_one_another(run: Run) -> None:
    requests = [replace(A_CAT, seed=seed) for seed in range(3)]
    told: list[tuple[int, str]] = []

    async def tell(place: int, value: Value) -> None:
        kind = type(value).__name__
        told.append((place, "final" if isinstance(value, Frame) and value.final else kind))

    async def paint() -> None:
        painting = Painting(FakeEngine())
        frames = await painting.paint_all(requests, SOMEBODY, tell)
        assert [frame.request.seed for frame in frames] == [0, 1, 2]
        for place in range(3):
            mine = [kind for where, kind in told if where == place]
            assert (mine[0], mine[-1]) == ("Started", "final")
        assert not painting.busy

    run(paint())


def test_of_several_one_that_fails_ends_the_others(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        bad = replace(A_CAT, prompt="bad")
        engine.fault = lambda request: GenerationFailed("No.") if request is bad else None
        painting = Painting(engine)
        with pytest.raises(GenerationFailed):
            await painting.paint_all([A_CAT, bad, A_CAT], SOMEBODY)
        assert (engine.running, painting.busy) == (0, False)

    run(paint())


def test_only_so_many_of_one_caller_are_in_the_engine(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        engine.say(state="loading")
        painting = Painting(engine)
        requests = [replace(A_CAT, seed=seed) for seed in range(IN_ENGINE + 5)]
        painted = asyncio.create_task(painting.paint_all(requests, SOMEBODY))
        await settled(lambda: engine.running == IN_ENGINE)
        other = asyncio.create_task(painting.paint(A_CAT, Caller("key", "alice")))
        await settled(lambda: engine.running == IN_ENGINE + 1)
        engine.say(state="ready")
        assert len(await painted) == IN_ENGINE + 5
        assert (await other).final

    run(paint())


def test_errors_are_told_and_secrets_are_not(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        painting = Painting(engine)

        async def error(fault: Exception) -> LightningError:
            engine.fault = lambda request: fault
            with pytest.raises(LightningError) as caught:
                await painting.paint(A_CAT, SOMEBODY)
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


def test_only_some_are_painted_or_wait(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PICTURES", 3)

    async def paint() -> None:
        engine = FakeEngine()
        engine.say(state="loading")
        painting = Painting(engine)

        def begin(address: str) -> asyncio.Task[Any]:
            caller = Caller("address", address, at_once=2)
            return asyncio.create_task(painting.paint(A_CAT, caller))

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


def test_the_largest_order_of_an_api_is_within_what_a_caller_may_have(run: Run) -> None:
    """Else it would be refused for ever, and each time with a time to come again."""

    async def admit() -> None:
        painting = Painting(FakeEngine())
        painting.admit(SOMEBODY)  # before it is read
        painting.admit(SOMEBODY, MAX_PICTURES - 1)

    run(admit())


def test_a_caller_may_ask_for_so_many_and_then_seldom(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BURST", 2)

    async def admit() -> None:
        painting = Painting(FakeEngine())
        slow = Caller("address", "203.0.113.1", per_second=0.001)
        painting.admit(slow, 2)
        with pytest.raises(RateLimited) as caught:
            painting.admit(slow)
        assert 900 < caught.value.seconds <= 1000
        painting.admit(Caller("key", "203.0.113.1", per_second=0.001))
        painting.admit(trusted(slow), 100)
        painting.drain()
        with pytest.raises(EngineUnavailable):
            painting.admit(trusted(slow))

    run(admit())


def test_what_runs_is_finished_while_draining_and_nothing_new_is_taken(run: Run) -> None:
    async def paint() -> None:
        engine = FakeEngine()
        engine.hold()
        painting = Painting(engine)
        running = asyncio.create_task(painting.paint(A_CAT, SOMEBODY))
        await engine.reached()
        painting.drain()
        with pytest.raises(EngineUnavailable) as caught:
            await painting.paint(A_CAT, SOMEBODY)
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
        http = Request({"type": "http", "headers": []}, receive)
        running = asyncio.create_task(while_connected(http, painting.paint(A_CAT, SOMEBODY)))
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
            await Painting(engine).paint(A_CAT, SOMEBODY)
        assert "not finished within 0.01 s" in caught.value.message
        assert engine.running == 0

    run(paint())


# Over HTTP ------------------------------------------------------------------------------------


def test_a_refusal_says_when_to_come_again(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BURST", 1)
    monkeypatch.setattr(
        routes, "caller_at", lambda http: replace(caller_at(http), per_second=0.001)
    )
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
