"""fal's run, queue and stream, asked by fal's own client for Python."""

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
import httpx
import pytest
from PIL import Image

from lightning_demo.engine.base import Forecast
from lightning_demo.errors import OutOfMemory
from lightning_demo.web.api.jobs import RESTARTED
from tests import published
from tests.documents import examples

from ..conftest import Running, wait_for
from ..fakes import FakeEngine, color_of

APP = "fal-ai/fast-lightning-sdxl"
web = httpx.Client(verify=False)  # noqa: S501 - without certificates it is there at once
KEYS = "ann sk-0123456789abcdef\nbob sk-fedcba9876543210\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    running = Running(FakeEngine())
    yield running
    running.server.stop()


@pytest.fixture(autouse=True)
def as_it_was(server: Running) -> Iterator[None]:
    """Nothing that a test has done to the engine stays."""
    yield
    engine = server.engine
    engine.release()
    engine.line, engine.notes, engine.fault = None, (), lambda request: None


@pytest.fixture(scope="module")
def client() -> Iterator[fal_client.SyncClient]:
    """fal's client."""
    client = fal_client.SyncClient(key="any")
    yield client
    client._client.close()


@pytest.fixture
def fal(
    client: fal_client.SyncClient, server: Running, monkeypatch: pytest.MonkeyPatch
) -> fal_client.SyncClient:
    """The same, with the server in the place of fal."""
    point_at(server.url, monkeypatch)
    return client


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends fal's clients to a server, by http."""
    monkeypatch.setattr(fal_client.client, "RUN_URL_FORMAT", f"{url}/fal/run/")
    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{url}/fal/queue/")
    socket = url.replace("http", "ws", 1)
    monkeypatch.setattr(fal_client.client, "REALTIME_URL_FORMAT", f"{socket}/fal/run/")


def picture_at(url: str) -> Image.Image:
    """What an address or a data URI holds."""
    if url.startswith("data:"):
        data = base64.b64decode(url.partition(",")[2])
    else:
        data = web.get(url).raise_for_status().content
    return Image.open(io.BytesIO(data))


def shows(picture: Image.Image, prompt: str) -> bool:
    """Whether a picture is the one of a prompt."""
    seen = picture.convert("RGB").getpixel((5, 5))
    return all(abs(a - b) < 24 for a, b in zip(seen, color_of(prompt), strict=True))


def refused(function: Any, *args: Any, **named: Any) -> fal_client.FalClientHTTPError:
    """The error that fal's client raises."""
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        function(*args, **named)
    return caught.value


def test_run_answers_with_fals_output(fal: fal_client.SyncClient):
    asked = {"prompt": "a cat", "seed": 7, "num_inference_steps": "4", "request_id": "mine"}
    result = fal.run(APP, asked)
    (image,) = result["images"]
    assert (image["width"], image["height"]) == (256, 256)
    assert image["content_type"] == "image/jpeg"
    assert image["file_size"] == len(web.get(image["url"]).content)
    assert shows(picture_at(image["url"]), "a cat")
    assert isinstance(result["timings"]["inference"], float)
    assert result["seed"] == 7
    assert result["has_nsfw_concepts"] == [False]
    assert result["prompt"] == "a cat"
    assert result["request_id"] == "mine"
    assert result["warnings"] == []


def test_several_pictures_count_on_from_the_seed(fal: fal_client.SyncClient, server: Running):
    result = fal.run(APP, {"prompt": "three", "seed": 40, "num_images": 3, "format": "png"})
    assert [image["content_type"] for image in result["images"]] == ["image/png"] * 3
    assert {r.seed for r in server.engine.requests if r.prompt == "three"} == {40, 41, 42}
    assert result["seed"] == 40
    assert result["has_nsfw_concepts"] == [False] * 3


@pytest.mark.parametrize(("steps", "taken"), [("2", 2), (2, 2), ("8", 8), (1, 2), ("12", 8)])
def test_steps_are_text_or_numbers(
    fal: fal_client.SyncClient, server: Running, steps: object, taken: int
):
    result = fal.run(APP, {"prompt": f"steps {steps!r}", "num_inference_steps": steps})
    assert server.engine.requests[-1].num_inference_steps == taken
    told = [warning for warning in result["warnings"] if warning.startswith("num_inference_steps:")]
    assert bool(told) == (int(str(steps)) != taken)


@pytest.mark.parametrize(
    ("asked", "painted"),
    [
        ("square_hd", (256, 256)),
        ("square", (256, 256)),
        ("portrait_4_3", (256, 384)),
        ("portrait_16_9", (256, 384)),
        ("landscape_4_3", (384, 256)),
        ("landscape_16_9", (384, 256)),
        ({"width": 384, "height": 256}, (384, 256)),
        ({"width": 256}, (256, 384)),  # by 512
    ],
)
def test_sizes_are_names_or_pixels(fal: fal_client.SyncClient, asked: Any, painted: tuple):
    result = fal.run(APP, {"prompt": "a size", "image_size": asked})
    (image,) = result["images"]
    assert (image["width"], image["height"]) == painted
    told = [warning for warning in result["warnings"] if warning.startswith("image_size:")]
    assert bool(told) == (asked != {"width": 384, "height": 256})


def test_what_has_no_effect_is_told(fal: fal_client.SyncClient):
    result = fal.run(
        APP,
        {
            "prompt": "a cat",
            "negative_prompt": "blurry",
            "enable_safety_checker": True,
            "safety_checker_version": "v2",
            "expand_prompt": True,
            "embeddings": [{"path": "https://example.org/secret.bin"}],
            "image_url": "file:///etc/passwd",
            "scheduler": "K_EULER",
            "seed": 2**40,
        },
        start_timeout=20,
    )
    names = [warning.partition(":")[0] for warning in result["warnings"]]
    assert sorted(names) == sorted(
        [
            "negative_prompt",
            "enable_safety_checker",
            "safety_checker_version",
            "expand_prompt",
            "embeddings",
            "image_url",
            "scheduler",
            "seed",
            "X-Fal-Request-Timeout",
        ]
    )
    assert result["seed"] == 2**40 % 2**32
    quiet = {"enable_safety_checker": False, "expand_prompt": False, "embeddings": [], "seed": None}
    assert fal.run(APP, {"prompt": "a cat", **quiet})["warnings"] == []


def test_of_many_fields_without_effect_some_are_named(fal: fal_client.SyncClient):
    many = {f"field_{number}": number for number in range(1_000)}
    result = fal.run(
        APP, {"prompt": "x", "image_size": {"width": 256, "height": 256, "z": 1}, **many}
    )
    assert result["warnings"][0].startswith("image_size.z:")
    assert result["warnings"][-1] == "981 more fields have no effect."
    assert len(result["warnings"]) == 21


def test_guidance_acts_and_with_it_the_negative_prompt(fal: fal_client.SyncClient, server: Running):
    asked = {"prompt": "guided", "negative_prompt": "blurry", "guidance_scale": 1.5}
    assert fal.run(APP, asked)["warnings"] == []
    assert server.engine.requests[-1].guidance_scale == 1.5
    assert server.engine.requests[-1].negative_prompt == "blurry"


def test_in_sync_mode_the_picture_is_in_the_answer(fal: fal_client.SyncClient):
    asked = {"prompt": "a dog", "sync_mode": True}
    for result in (fal.run(APP, asked), fal.subscribe(APP, asked)):
        (image,) = result["images"]
        assert image["url"].startswith("data:image/jpeg;base64,")
        assert shows(picture_at(image["url"]), "a dog")


def test_the_engines_notes_are_among_the_warnings(fal: fal_client.SyncClient, server: Running):
    server.engine.notes = ("The end of the prompt was cut off.",)
    asked = {"prompt": "long", "num_images": 2}
    assert fal.run(APP, asked)["warnings"] == list(server.engine.notes)
    assert fal.subscribe(APP, asked)["warnings"] == list(server.engine.notes)


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({}, ["prompt"], "is required"),
        ({"prompt": 3}, ["prompt"], "text"),
        ({"prompt": " "}, ["prompt"], "at least one character"),
        ({"prompt": "x", "num_images": 9}, ["num_images"], "1 to 8"),
        ({"prompt": "x", "num_inference_steps": "many"}, ["num_inference_steps"], "1, 2, 4, 8"),
        ({"prompt": "x", "num_inference_steps": 0}, ["num_inference_steps"], "1 to 100"),
        ({"prompt": "x", "image_size": "huge"}, ["image_size"], "square_hd, square"),
        ({"prompt": "x", "image_size": {"width": 0}}, ["image_size", "width"], "whole number"),
        ({"prompt": "x", "format": "gif"}, ["format"], "jpeg, png"),
        ({"prompt": "x", "sync_mode": "perhaps"}, ["sync_mode"], "true or false"),
        ({"prompt": "x", "safety_checker_version": "v3"}, ["safety_checker_version"], "v1, v2"),
        ({"prompt": "x", "embeddings": [{}]}, ["embeddings", 0, "path"], "is required"),
        ({"prompt": "x", "guidance_scale": -1}, ["guidance_scale"], "at least 0"),
        ({"prompt": "x", "request_id": 5}, ["request_id"], "text"),
    ],
)
def test_a_bad_field_is_named_as_fal_does(
    fal: fal_client.SyncClient, fields: dict[str, Any], place: list, words: str
):
    for ask in (fal.run, fal.submit):
        error = refused(ask, APP, fields)
        assert error.status_code == 422
        fault = error.message[0]
        assert fault["loc"] == ["body", *place]
        assert words in fault["msg"]
        assert fault["type"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {"content-type": "application/json"}, 422),
        (b"[]", {"content-type": "application/json"}, 422),
        (b"prompt=x", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_body_that_is_no_object(server: Running, content: bytes, headers: dict, status: int):
    answer = web.post(f"{server.url}/fal/run/{APP}", content=content, headers=headers)
    assert answer.status_code == status
    detail = answer.json()["detail"]
    assert isinstance(detail, str) if status == 415 else detail[0]["loc"] == ["body"]


@pytest.mark.parametrize(
    "app", ["fal-ai/flux/dev", f"{APP}/image-to-image", f"{APP}/inpainting", "fal-ai/../etc"]
)
def test_other_apps_are_not_here(fal: fal_client.SyncClient, app: str):
    for ask in (fal.run, fal.submit):
        error = refused(ask, app, {"prompt": "x"})
        assert error.status_code == 404
        assert APP in error.message


def test_subscribe_tells_place_and_progress(fal: fal_client.SyncClient, server: Running):
    engine = server.engine
    engine.line = Forecast(0, 0.0, 0.1)
    first = fal.submit(APP, {"prompt": "first"})
    seen: list[fal_client.Status] = []

    def update(status: fal_client.Status) -> None:
        seen.append(status)
        if isinstance(status, fal_client.Queued):
            engine.line = None

    arguments = {"prompt": "second", "num_inference_steps": 8, "expand_prompt": True}
    result = fal.subscribe(APP, arguments, with_logs=True, on_queue_update=update, interval=0.01)
    assert isinstance(seen[0], fal_client.Queued)
    assert seen[0].position == 1
    done = seen[-1]
    assert isinstance(done, fal_client.Completed)
    assert done.metrics["inference_time"] > 0
    lines = [line["message"] for line in done.logs or []]
    assert any("8/8" in line for line in lines)
    assert {line["level"] for line in done.logs or []} == {"WARN", "INFO"}
    assert result["warnings"] == [lines[0]]
    assert shows(picture_at(result["images"][0]["url"]), "second")
    first.get()


def test_a_result_can_be_fetched_by_its_id_and_twice(fal: fal_client.SyncClient):
    handle = fal.submit(APP, {"prompt": "kept"}, priority="low")
    result = handle.get()
    assert result["warnings"][0].startswith("X-Fal-Queue-Priority:")
    assert fal.result(APP, handle.request_id) == result == handle.get()
    status = fal.status(APP, handle.request_id, with_logs=True)
    assert isinstance(status, fal_client.Completed)
    assert (status.error, status.error_type) == (None, None)


def test_statuses_say_by_their_code_whether_it_has_ended(
    fal: fal_client.SyncClient, server: Running
):
    server.engine.hold()
    handle = fal.submit(APP, {"prompt": "slow"})
    assert isinstance(handle.status(), fal_client.InProgress | fal_client.Queued)
    running = web.get(handle.status_url)
    assert running.status_code == 202
    assert running.headers["x-fal-request-id"] == handle.request_id
    early = web.get(handle.response_url)
    assert early.status_code == 400
    assert "in progress" in early.json()["detail"]
    server.engine.release()
    handle.get()
    done = web.get(handle.status_url)
    assert done.status_code == 200
    assert done.json()["logs"] == []  # not asked for
    assert done.json()["response_url"] == handle.response_url


def test_a_status_can_be_followed(fal: fal_client.SyncClient, server: Running):
    server.engine.line = Forecast(0, 0.0, 0.1)
    handle = fal.submit(APP, {"prompt": "followed", "num_inference_steps": 2, "foo": 1})
    statuses = []
    with web.stream("GET", f"{handle.status_url}/stream?logs=1") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                statuses.append(json.loads(line[6:]))
                server.engine.line = None
    assert statuses[0]["status"] == "IN_QUEUE"
    assert statuses[0]["queue_position"] == 0
    assert statuses[-1]["status"] == "COMPLETED"
    lines = [entry["message"] for status in statuses for entry in status.get("logs", [])]
    assert len(lines) == len(set(lines))  # each once
    assert lines[0].startswith("foo:")
    assert "2/2" in lines[-1]
    # Who comes late is told the end, with all of the logs.
    with web.stream("GET", f"{handle.status_url}/stream?logs=1") as answer:
        (event,) = [json.loads(li[6:]) for li in answer.iter_lines() if li.startswith("data: ")]
    assert event["status"] == "COMPLETED"
    assert [entry["message"] for entry in event["logs"]] == lines


def test_a_cancelled_request_is_not_painted(fal: fal_client.SyncClient, server: Running):
    server.engine.hold()
    handle = fal.submit(APP, {"prompt": "unwanted", "num_inference_steps": 8})
    wait_for(lambda: isinstance(handle.status(), fal_client.InProgress))
    handle.cancel()
    status = handle.status(with_logs=True)
    assert isinstance(status, fal_client.Completed)
    assert status.error_type == "client_cancelled"
    error = refused(handle.get)
    assert (error.status_code, error.error_type) == (499, "client_cancelled")
    again = refused(handle.cancel)
    assert again.status_code == 400
    assert again.response.json()["status"] == "ALREADY_COMPLETED"
    server.engine.release()
    wait_for(lambda: server.engine.running == 0)
    assert server.engine.steps.count("unwanted") <= 1


def test_a_request_that_ends_in_an_error_says_why(fal: fal_client.SyncClient, server: Running):
    server.engine.fault = lambda request: OutOfMemory("There is too little memory for this.")
    error = refused(fal.run, APP, {"prompt": "huge"})
    assert (error.status_code, error.error_type) == (503, "runner_scheduling_failure")
    handle = fal.submit(APP, {"prompt": "huge"})
    error = refused(handle.get)
    assert (error.status_code, error.message) == (503, "There is too little memory for this.")
    status = handle.status()
    assert isinstance(status, fal_client.Completed)
    assert status.error == "There is too little memory for this."


def test_what_comes_beside_the_body_is_told(server: Running):
    names = ["Request-Timeout", "Queue-Priority", "Runner-Hint", "Object-Lifecycle"]
    headers = {f"X-Fal-{name}": "9" for name in names}
    address = f"{server.url}/fal/run/{APP}?fal_webhook=https://example.org"
    told = web.post(address, json={"prompt": "a cat"}, headers=headers).json()["warnings"]
    assert [words.partition(":")[0] for words in told] == [*headers, "fal_webhook"]


def test_a_fault_keeps_its_words_to_itself(fal: fal_client.SyncClient):
    error = refused(fal.run, APP, {"prompt": "poison"})
    assert error.status_code == 500
    assert "secret" not in str(error.message)
    assert "incident" in error.message


def test_stream_ends_with_the_result(fal: fal_client.SyncClient):
    *previews, result = fal.stream(APP, {"prompt": "streamed", "seed": 3, "num_inference_steps": 8})
    assert previews
    assert [event["progress"] for event in previews] == sorted(e["progress"] for e in previews)
    assert shows(picture_at(previews[0]["images"][0]["url"]), "streamed")
    assert shows(picture_at(result["images"][0]["url"]), "streamed")
    assert result["seed"] == 3
    assert result["has_nsfw_concepts"] == [False]


def test_an_error_within_a_stream_is_its_last_event(fal: fal_client.SyncClient):
    (event,) = fal.stream(APP, {"prompt": "poison"})
    assert "incident" in event["detail"]
    assert event["status"] == 500


def test_the_asynchronous_client(server: Running, monkeypatch: pytest.MonkeyPatch):
    point_at(server.url, monkeypatch)

    async def ask() -> None:
        client = fal_client.AsyncClient(key="any")
        asked = {"prompt": "at leisure", "seed": 1}
        ran, subscribed = await asyncio.gather(client.run(APP, asked), client.subscribe(APP, asked))
        assert ran["seed"] == subscribed["seed"] == 1
        handle = await client.submit(APP, asked)
        assert (await handle.get())["prompt"] == "at leisure"
        events = [event async for event in client.stream(APP, asked)]
        assert events[-1]["seed"] == 1
        await (await client._client).aclose()

    asyncio.run(ask())


def test_keys_are_asked_for_and_others_requests_are_not_there(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    running = start(FakeEngine(), api_keys=str(keys))
    point_at(running.url, monkeypatch)
    clients = {
        name: fal_client.SyncClient(key=key) for name, key in map(str.split, KEYS.splitlines())
    }
    handle = clients["ann"].submit(APP, {"prompt": "mine"})
    handle.get()
    for ask in (clients["bob"].status, clients["bob"].result, clients["bob"].cancel):
        assert refused(ask, APP, handle.request_id).status_code == 404
    stranger = fal_client.SyncClient(key="sk-of-nobody-at-all")
    assert refused(stranger.run, APP, {"prompt": "x"}).status_code == 403
    answer = web.post(f"{running.url}/fal/run/{APP}", json={"prompt": "x"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Key"
    for client in (*clients.values(), stranger):
        client._client.close()


def test_a_request_survives_a_restart(
    client: fal_client.SyncClient, start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = start(FakeEngine(), files_dir=str(tmp_path))
    point_at(first.url, monkeypatch)
    done = client.submit(APP, {"prompt": "done", "sync_mode": True})
    before = done.get()
    store = first.server._api.store
    record = store.job("fal", "address:127.0.0.1", done.request_id)
    store.put_job({**record, "id": "0" * 32, "state": "running", "ended": None}, ended=False)
    first.server.stop()
    second = start(FakeEngine(), files_dir=str(tmp_path))
    point_at(second.url, monkeypatch)
    assert client.result(APP, done.request_id) == before
    error = refused(client.result, APP, "0" * 32)
    assert (error.status_code, error.message) == (503, RESTARTED)


def test_who_goes_away_is_not_painted_for(server: Running):
    server.engine.hold()
    with pytest.raises(httpx.ReadTimeout):
        web.post(f"{server.url}/fal/run/{APP}", json={"prompt": "gone"}, timeout=0.5)
    wait_for(lambda: server.engine.running == 0)


def test_behind_a_proxy_addresses_are_the_proxys(start: Any):
    running = start(FakeEngine(), open_api=True, allowed_hosts="demo.example.org")
    headers = {
        "Host": "demo.example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "192.0.2.1",
    }
    asked = {"prompt": "a cat"}
    ran = web.post(f"{running.url}/fal/run/{APP}", json=asked, headers=headers).json()
    assert ran["images"][0]["url"].startswith("https://demo.example.org/files/")
    queued = web.post(f"{running.url}/fal/queue/{APP}", json=asked, headers=headers).json()
    assert queued["status_url"].startswith(f"https://demo.example.org/fal/queue/{APP}/requests/")


def test_the_proxy_serves_fals_own_addresses_only(server: Running):
    def ask(target: str, **options: Any) -> httpx.Response:
        headers = {"x-fal-target-url": target}
        return web.request("POST", f"{server.url}/fal/proxy", headers=headers, **options)

    answer = ask(f"https://fal.run/{APP}", json={"prompt": "a cat"})
    assert answer.json()["prompt"] == "a cat"
    for target in ("", "http://[", f"{server.url}/fal/run/{APP}", "https://fal.run.example.org/x"):
        assert ask(target, json={"prompt": "x"}).status_code == 404
    assert ask("https://fal.run/proxy", json={}).status_code == 404
    assert ask("https://fal.run/../../v1/models", json={}).status_code == 404


def test_published_code_runs_as_it_is(
    server: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    point_at(server.url, monkeypatch)
    monkeypatch.setenv("FAL_KEY", "any")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPLICATE_API_TOKEN", "any")  # which the script sets
    monkeypatch.setattr(fal_client, "api_key", "", raising=False)  # likewise
    names: dict[str, Any] = {"__name__": "published"}
    exec(published.CLOUD, names)  # noqa: S102
    prompt = "architectural rendering of modern house, exterior view, daylight"
    path = names["generate_image_fal"](prompt, num_steps=2)
    assert shows(Image.open(path), prompt)
    assert server.engine.requests[-1].num_inference_steps == 2
    assert "Inference time: 0." in capsys.readouterr().out


def test_the_examples_of_the_document(
    server: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FAL_KEY", "any")
    point_at("http://127.0.0.1:9", monkeypatch)  # undone afterwards, whatever the examples set
    queue, address, realtime = examples("api/fal.md", "python")
    exec(address.replace("127.0.0.1:7860", server.url.removeprefix("http://")), {})  # noqa: S102
    exec(queue, {})  # noqa: S102
    assert "/files/" in capsys.readouterr().out
    names: dict[str, Any] = {}
    exec(realtime, names)  # noqa: S102
    assert shows(Image.open(io.BytesIO(names["picture"])), "a red fox")
