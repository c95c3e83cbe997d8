"""The page's batches: several pictures in one stream, each when it is there."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.requests import Request

from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.errors import EngineUnavailable, OutOfMemory
from lightning_demo.web import batch_pictures, painting
from lightning_demo.web.addresses import Allowance

from .conftest import Running, wait_for
from .fakes import FakeEngine, color_of

Records = list[tuple[dict[str, Any], bytes]]


def asked(*prompts: str, **fields: Any) -> dict[str, Any]:
    requests = [{"prompt": prompt, "seed": 7, **fields} for prompt in prompts]
    return {"format": "png", "requests": requests}


def ask(running: Running, body: Any, **options: Any) -> httpx.Response:
    return httpx.post(f"{running.url}/batch/pictures", json=body, timeout=20, **options)


def records(data: bytes) -> Records:
    """The records of a stream by their places."""
    found, at = [], 0
    while at < len(data):
        start = at + 4 + int.from_bytes(data[at : at + 4], "big")
        header = json.loads(data[at + 4 : start])
        at = start + header["bytes"]
        found.append((header, data[start:at]))
    return sorted(found, key=lambda record: record[0]["place"])


def test_pictures_with_what_is_known_of_them(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    engine.notes = ("A note, “so”.",)
    running = start(engine)
    answer = ask(running, asked("a cat", "a dog", width=384, height=256))
    assert answer.headers["cache-control"] == "no-store"
    for (header, data), prompt in zip(records(answer.content), ("a cat", "a dog"), strict=True):
        assert header["model"] == "miniature" and header["notes"] == ["A note, “so”."]
        assert header["seconds"] >= 0
        picture = Image.open(io.BytesIO(data))
        assert picture.size == (384, 256) and picture.getpixel((5, 5)) == color_of(prompt)
        assert json.loads(picture.info["generation"])["prompt"] == prompt
    assert any(len(call) == 2 for call in engine.calls), "they share calls of the model"
    assert all(work.yields and not work.previews for work in engine.works)
    assert len({work.client for work in engine.works}) == 1


def test_the_template_of_a_prompt_is_kept_in_its_picture(start: Callable[..., Running]) -> None:
    running = start()
    body = asked("a cat", "a dog", "a bird", template="a {cat, dog}")
    body["requests"][2]["template"] = 3
    *painted, (refused, _) = records(ask(running, body).content)
    for _, data in painted:
        inside = json.loads(Image.open(io.BytesIO(data)).info["generation"])
        assert inside["template"] == "a {cat, dog}"
    assert refused["error"] == "template: must be text."


def test_what_is_wrong_with_one_leaves_the_others(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    faults = {"large": OutOfMemory("Too much."), "gone": EngineUnavailable("It is gone.")}
    engine.fault = lambda request: faults.get(request.prompt)
    body = asked("large", "gone", "poison", "a cat")
    body["requests"].append({"prompt": "a", "width": 9})
    large, gone, poison, cat, invalid = records(ask(start(engine), body).content)
    assert (large[0]["error"], large[0]["again"]) == ("Too much.", False)
    assert (gone[0]["error"], gone[0]["again"]) == ("It is gone.", True)
    assert "secret" not in poison[0]["error"] and not poison[0]["again"]
    assert "error" not in cat[0] and cat[1]
    assert "width: must be" in invalid[0]["error"] and not invalid[0]["again"]
    assert large[1] == invalid[1] == b""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"format": "png", "requests": [], "more": 1}, None),
        ({"format": "gif", "requests": [{}]}, "format"),
        ({"format": "png", "requests": []}, "requests"),
        ({"format": "png", "requests": [{}] * 17}, "requests"),
        ({"format": "png", "requests": ["a cat"]}, "requests"),
        ({"format": "png", "requests": "a cat"}, "requests"),
    ],
)
def test_messages_that_are_refused(running: Running, body: Any, field: str | None) -> None:
    answer = ask(running, body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_picture_from_memory_comes_like_any_other(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    running = start(CachedEngine(engine, FrameCache(2**24)))
    first, again = (records(ask(running, asked("a cat", "a dog")).content) for _ in range(2))
    assert [header["seconds"] for header, _ in again] == [0, 0]
    assert [data for _, data in again] == [data for _, data in first]
    assert len(engine.works) == 2


def test_who_hangs_up_wants_no_more(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    engine.hold()
    running = start(engine)
    url = f"{running.url}/batch/pictures"
    with httpx.stream("POST", url, json=asked("a", "b"), timeout=20) as answer:
        assert answer.status_code == 200
        wait_for(lambda: engine.running == 2)
    wait_for(lambda: engine.running == 0)
    engine.release()
    assert len(records(ask(running, asked("c")).content)) == 1


def test_streams_are_few(start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_pictures, "MAX_STREAMS", 1)
    engine = FakeEngine()
    engine.hold()
    running = start(engine)
    url = f"{running.url}/batch/pictures"
    with httpx.stream("POST", url, json=asked("a"), timeout=20):
        wait_for(lambda: engine.running == 1)
        refused = ask(running, asked("b"))
        assert refused.status_code == 429 and refused.headers["retry-after"]
    wait_for(lambda: engine.running == 0)
    engine.release()


def test_streams_that_begin_at_once_are_as_few(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are answered before the first of them counts; what does not come is asked for again."""
    monkeypatch.setattr(batch_pictures, "MAX_STREAMS", 2)
    engine = FakeEngine()
    running = start(engine)
    read, come = batch_pictures.read_json, []

    async def together(request: Request) -> Any:
        come.append(request)
        while len(come) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return await read(request)

    monkeypatch.setattr(batch_pictures, "read_json", together)
    engine.hold()
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, running, asked(prompt)) for prompt in "abcd"]
        wait_for(lambda: engine.running == 2 and sum(each.done() for each in answers) == 2)
        engine.release()
        painted = [records(each.result().content) for each in answers if each.result().is_success]
    assert sum(map(len, painted)) == 2
    assert all(each.result().status_code in (200, 429) for each in answers)


def test_from_elsewhere_they_come_no_faster_than_others(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(auth="me:secret")  # with a login, anybody may come through a proxy
    assert ask(running, asked("a")).status_code == 401
    taken = []

    class Counted(Allowance):
        def take(self, address: str, now: float, count: int = 1) -> float:
            taken.append(super().take(address, now, count))
            return taken[-1]

    monkeypatch.setattr(painting, "Allowance", Counted)
    monkeypatch.setattr(painting, "BURST", 1)
    with httpx.Client(base_url=running.url, timeout=20) as client:
        client.post("/login", data={"username": "me", "password": "secret"})
        found = records(client.post("/batch/pictures", json=asked("a", "b", "c")).content)
    assert all(data for _, data in found), "all come, the later ones a little later"
    assert sum(not wait for wait in taken) == 3 and any(taken)


def test_on_this_machine_they_come_as_fast_as_can_be(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painting, "BURST", 0)
    monkeypatch.setattr(Allowance, "take", lambda *_: pytest.fail("is counted"))
    assert all(data for _, data in records(ask(start(), asked("a", "b")).content))
