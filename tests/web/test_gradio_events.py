"""The way over Gradio's events, as scripts and pages without a socket use it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gradio_client import Client
from PIL import Image

from lightning_demo.settings import Settings
from lightning_demo.web.gradio_events import REST_SECONDS, EventStreams
from lightning_demo.web.service import Service

from .conftest import Running, texts, wait_for
from .fakes import FakeEngine, FakePair
from .malformed import MALFORMED


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    yield from _client(running)


def _client(running: Running) -> Iterator[Client]:
    client = Client(running.url, verbose=False, analytics_enabled=False)
    yield client
    client.close()


def ask(sequence: int, prompt: str = "a cat", **fields: Any) -> str:
    return json.dumps({"sequence": sequence, "request": {"prompt": prompt, **fields}})


def answers(client: Client, text: str) -> list[dict[str, Any]]:
    job = client.submit(text, api_name="/live")
    job.result(timeout=20)
    return texts(job)


def test_frames_come_as_text(client: Client) -> None:
    frames = answers(client, ask(1, "a red cat", seed=4))
    assert frames[-1]["final"] and frames[-1]["prompt"] == "a red cat"
    assert frames[-1]["seed"] == 4
    picture = base64.b64decode(frames[-1]["picture"].partition(",")[2])
    assert Image.open(io.BytesIO(picture)).size == (256, 256)


def test_the_status_can_be_asked_for(client: Client) -> None:
    assert json.loads(client.predict(api_name="/status"))["state"] == "ready"


def test_a_changeover_is_told_and_the_next_picture_is_the_others(
    start: Callable[..., Running],
) -> None:
    pair = FakePair()
    for client in _client(start(pair.engine)):
        for sequence, model in enumerate(("miniature", "sdxl-lightning")):
            assert json.loads(client.predict(api_name="/status"))["model"] == model
            frame = answers(client, ask(sequence, width=512, height=512))[-1]
            assert (frame["final"], frame["model"]) == (True, model)
            pair.arrive()


def test_what_is_malformed_is_answered(client: Client) -> None:
    for name in ("empty", "list", "NaN", "steps without checkpoint", "unknown request field"):
        (answer,) = answers(client, MALFORMED[name])
        assert answer["type"] == "error" and answer["message"], name
    assert answers(client, ask(99))[-1]["final"]


def test_a_newer_message_takes_over(client: Client) -> None:
    jobs = [client.submit(ask(n, f"number {n}"), api_name="/live") for n in range(1, 7)]
    for job in jobs:
        job.result(timeout=20)
    outputs = texts(*jobs)
    finals = [output["sequence"] for output in outputs if output["final"]]
    assert max(finals) == 6
    assert all(output["prompt"] == f"number {output['sequence']}" for output in outputs)


def test_sessions_never_mix(running: Running, client: Client) -> None:
    for other in _client(running):
        one = client.submit(ask(1, "one", seed=1), api_name="/live")
        two = other.submit(ask(1, "two", seed=2), api_name="/live")
        for job, prompt in ((one, "one"), (two, "two")):
            job.result(timeout=20)
            outputs = texts(job)
            assert outputs[-1]["final"]
            assert {output["prompt"] for output in outputs} == {prompt}


def test_what_is_taken_over_from_does_not_say_its_last_answer_again(
    start: Callable[..., Running],
) -> None:
    running = start(max_sessions=1)
    for client in _client(running):
        with running.socket() as seated:
            seated.ask(1)
            seated.final(1)
            first = client.submit(ask(1), api_name="/live")
            wait_for(lambda first=first: texts(first))
            newer = client.submit(ask(2), api_name="/live")
            assert first.result(timeout=20) == ""
        newer.result(timeout=20)
        assert [answer["type"] for answer in texts(first)] == ["line"]
        assert texts(newer)[-1]["final"]


def test_pause_ends_the_stream(start: Callable[..., Running]) -> None:
    running = start(FakeEngine(step_seconds=3600))
    for client in _client(running):
        job = client.submit(ask(1), api_name="/live")
        wait_for(lambda: running.engine.running == 1)
        assert answers(client, '{"pause": true}') == []
        job.result(timeout=20)
        assert texts(job) == []
        assert running.engine.running == 0


def test_the_queue_looks_often_only_while_a_tab_speaks_through_it(
    start: Callable[..., Running],
) -> None:
    running = start()
    queue = running.server._blocks._queue
    assert queue.sleep_when_free == REST_SECONDS
    with running.socket() as tab:
        tab.ask(1)
        tab.final(1)
        assert queue.sleep_when_free == REST_SECONDS, "a socket does without the queue"
    for client in _client(running):
        assert answers(client, ask(1))[-1]["final"]
        assert queue.sleep_when_free < REST_SECONDS or os.name == "nt"
    wait_for(lambda: queue.sleep_when_free == REST_SECONDS)


@pytest.mark.parametrize("end", ["newer", "closed", "stopped"])
def test_a_stream_stays_until(run: Callable[[Coroutine[Any, Any, Any]], Any], end: str) -> None:
    async def stay() -> None:
        service = Service(FakeEngine(), Settings())
        streams = EventStreams(service)
        tab: Any = SimpleNamespace(session_hash="a tab")
        staying = asyncio.create_task(streams.stay(tab))
        other = asyncio.create_task(streams.stay(SimpleNamespace(session_hash="another")))
        await asyncio.sleep(0)
        assert not staying.done()
        if end == "newer":
            newer = asyncio.create_task(streams.stay(tab))
            await staying
            assert not newer.done()
        if end in ("newer", "closed"):
            await streams.forget(tab)
            await staying
            assert not other.done()
        await service.drain(0)
        await asyncio.gather(staying, other)

    run(stay())
