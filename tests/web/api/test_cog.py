"""Cog's API, beside coglet: the server of Cog's containers, here with a model that paints nothing.

coglet reads our own OpenAPI document, and checks its inputs by it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from PIL import Image

from lightning_demo.ports import free_port
from lightning_demo.web.api.cog_schema import cog_schema
from lightning_demo.web.api.prediction import PredictionInput

from ..conftest import Running, wait_for
from ..fakes import FakeEngine, color_of
from .clients import connect, example, fetch, post

STUB = """
from collections.abc import Iterator
from pathlib import Path as File
from time import sleep

from cog import BaseRunner, Path, streaming


class Runner(BaseRunner):
    @streaming
    def run(
        self,
        prompt: str = "",
        negative_prompt: str = "",
        width: int = 1024,
        height: int = 1024,
        num_outputs: int = 1,
        scheduler: str = "K_EULER",
        num_inference_steps: int = 4,
        guidance_scale: float = 0,
        seed: int | None = None,
        disable_safety_checker: bool = False,
        output_format: str = "png",
        output_quality: int = 90,
        aspect_ratio: str | None = None,
    ) -> Iterator[Path]:
        if prompt == "poison":
            raise ValueError("this one fails")
        for number in range(num_outputs):
            print("painting")
            while prompt == "held" and not File("released").exists():
                sleep(0.01)
            file = File(f"{number}.png")
            file.write_bytes(b"picture")
            yield Path(file)
"""


@dataclass
class Server:
    """Ours or coglet, with what a test does to it."""

    client: httpx.Client
    name: str
    hold: Callable[[], object]
    release: Callable[[], object]
    engine: Any = None  # of ours

    def post(self, path: str = "", **options: Any) -> httpx.Response:
        return self._ask("POST", f"/predictions{path}", options)

    def put(self, name: str, **options: Any) -> httpx.Response:
        return self._ask("PUT", f"/predictions/{name}", options)

    def _ask(self, method: str, path: str, options: Any) -> httpx.Response:
        answer = self.client.request(method, path, **options)
        while answer.status_code == 409:  # coglet answers before its one place is free again
            sleep(0.01)
            answer = self.client.request(method, path, **options)
        return answer

    def idle(self) -> None:
        """Waits until nothing runs."""
        wait_for(lambda: self.post("/held/cancel").status_code == 404)


@pytest.fixture(scope="module")
def ours() -> Iterator[Server]:
    running = Running(FakeEngine())
    engine = running.engine
    with connect(base_url=f"{running.url}/cog") as client:
        yield Server(client, "ours", engine.hold, engine.release, engine)
    running.server.stop()


@pytest.fixture(scope="module")
def coglet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not (importlib.util.find_spec("coglet") and importlib.util.find_spec("cog")):
        pytest.skip("pip install cog coglet")
    folder = tmp_path_factory.mktemp("coglet")
    # It closes a connection whose body it refused to read, now and then just as the next request is
    # sent: no two requests share one.
    alone = httpx.Limits(max_keepalive_connections=0)
    with started(folder) as url, connect(base_url=url, limits=alone) as client:
        wait_for(lambda: healthy(client))
        released = folder / "released"
        yield Server(
            client, "coglet", lambda: released.unlink(missing_ok=True), lambda: released.touch()
        )


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """coglet with the stub and our document; its address."""
    (folder / "run.py").write_text(STUB)
    (folder / ".cog").mkdir()
    (folder / ".cog" / "openapi_schema.json").write_text(json.dumps(cog_schema(PredictionInput)))
    port = free_port("127.0.0.1", 0)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"COG_PREDICT_TYPE_STUB": "run.py:Runner", "PORT": str(port), "PATH": programs}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cog.server.http", "--host", "127.0.0.1"],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def healthy(client: httpx.Client) -> bool:
    try:
        return bool(client.get("/health-check").json()["status"] == "READY")
    except httpx.TransportError:
        return False


@pytest.fixture(params=["ours", "coglet"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each of the two: what is said of ours must be true of coglet as well."""
    found: Server = request.getfixturevalue(request.param)
    yield found
    found.release()
    found.idle()


def json_of(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def events_of(answer: httpx.Response) -> list[tuple[str, Any]]:
    """The events of a stream: name and data."""
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    events = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


class TestBoth:
    def test_a_prediction(self, server):
        answer = server.post(json={"input": {"prompt": "a cat", "num_outputs": 2}})
        assert answer.status_code == 200
        content = json_of(answer)
        assert set(content) == {"id", "status", "logs", "metrics", "output"}
        assert content["status"] == "succeeded"
        assert content["metrics"]["predict_time"] > 0
        assert content["logs"].endswith("\n")
        assert len(content["output"]) == 2
        assert all(each.startswith("data:image/png;base64,") for each in content["output"])

    @pytest.mark.parametrize(
        "options",
        [{}, {"json": {}}, {"json": {"input": None}}, {"json": {"input": {"unknown": 1}}}],
    )
    def test_with_nothing_said(self, server, options):
        assert json_of(server.post(**options))["status"] == "succeeded"

    def test_one_that_fails_is_data(self, server):
        answer = server.post(json={"input": {"prompt": "poison"}})
        assert answer.status_code == 200
        content = json_of(answer)
        assert set(content) == {"id", "status", "logs", "metrics", "error"}
        assert content["status"] == "failed"

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"num_outputs": 9}, ["num_outputs"]),
            ({"width": 255, "height": 1281}, ["width", "height"]),
            ({"prompt": 5, "seed": "x", "scheduler": "LCM"}, ["prompt", "scheduler", "seed"]),
            ({"num_inference_steps": 0, "guidance_scale": 51}, None),
            ({"num_outputs": "2"}, ["num_outputs"]),
            ({"disable_safety_checker": "no"}, ["disable_safety_checker"]),
            ({"aspect_ratio": "wide"}, ["aspect_ratio"]),
            ({"prompt": None}, None),
        ],
    )
    def test_bad_inputs(self, server, fields, wrong):
        answer = server.post(json={"input": fields})
        if fields == {"prompt": None} and server.name == "ours":
            assert answer.status_code == 200  # the default, which is kinder
            return
        assert answer.status_code == 422
        detail = json_of(answer)["detail"]
        assert all(set(each) == {"loc", "msg", "type"} for each in detail)
        assert {each["type"] for each in detail} == {"value_error"}
        found = {tuple(each["loc"]) for each in detail}
        assert found == {("body", "input", name) for name in wrong or fields}

    def test_the_id_in_the_body_is_the_one_in_the_address(self, server):
        answer = server.put("mine", json={"id": "other"})
        assert answer.status_code == 422
        assert json_of(answer)["detail"][0]["loc"] == ["body", "id"]
        assert json_of(server.put("mine", json={"id": "mine"}))["id"] == "mine"

    @pytest.mark.parametrize("name", ["a%20b%22c", "%C3%BC", "wjx3whax6rf4vphkegkhcvpv6a"])
    def test_ids_are_the_clients_own(self, server, name):
        assert json_of(server.put(name, json={}))["id"] == unquote(name)

    @pytest.mark.parametrize(
        ("content", "type", "status"),
        [
            (b"{}", "text/plain", 415),
            (b"[]", "application/json", 422),
            (b"5", "application/json", 422),
            (b'{"webhook_events_filter": ["end"]}', "application/json", 422),
        ],
    )
    def test_bad_bodies(self, server, content, type, status):
        answer = server.post(content=content, headers={"Content-Type": type})
        assert answer.status_code == status

    def test_one_behind_its_request_is_joined_and_cancelled(self, server):
        server.hold()
        body = {"input": {"prompt": "held"}}
        behind = {"Prefer": "respond-async"}
        answer = server.put("held", json=body, headers=behind)
        assert answer.status_code == 202
        assert json_of(answer) == {"id": "held", "status": "starting"}

        def joined() -> Any:
            again = server.put("held", json=body)
            assert again.status_code == 202
            return json_of(again)

        wait_for(lambda: joined()["status"] == "processing")
        content = joined()
        assert set(content) == {"id", "input", "logs", "metrics", "status"}
        assert content["input"]["prompt"] == "held"
        assert content["metrics"] == {}
        answer = server.post("/held/cancel")
        assert (answer.status_code, json_of(answer)) == (200, {})
        server.idle()
        assert server.post("/held/cancel").status_code == 404

    def test_events(self, server):
        answer = server.post(
            json={"input": {"num_outputs": 2}}, headers={"Accept": "text/event-stream"}
        )
        events = events_of(answer)
        names = [name for name, _ in events]
        assert names[0] == "start"
        assert names[-1] == "completed"
        assert set(names) == {"start", "log", "output", "completed"}
        content = {name: data for name, data in events}
        assert set(content["start"]) == {"id", "status"}
        assert content["start"]["status"] == "processing"
        assert set(content["log"]) == {"source", "data"}
        assert content["log"]["source"] == "stdout"
        outputs = {data["index"]: data["chunk"] for name, data in events if name == "output"}
        assert [outputs[0], outputs[1]] == content["completed"]["output"]
        logs = "".join(data["data"] for name, data in events if name == "log")
        assert logs == content["completed"]["logs"]
        assert set(content["completed"]) == {"id", "status", "logs", "metrics", "output"}

    def test_events_of_one_that_fails(self, server):
        answer = server.post(
            json={"input": {"prompt": "poison"}}, headers={"Accept": "text/event-stream"}
        )
        events = events_of(answer)
        assert [name for name, _ in events] == ["start", "completed"]
        assert events[-1][1]["status"] == "failed"
        assert events[-1][1]["error"]

    def test_a_stream_joins_what_runs_from_its_beginning(self, server):
        server.hold()
        body = {"input": {"prompt": "held"}}
        server.put("held", json=body, headers={"Prefer": "respond-async"})
        accept = {"Accept": "text/event-stream"}
        with server.client.stream("PUT", "/predictions/held", json=body, headers=accept) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: start"
            server.release()
            assert "event: completed" in list(lines)

    def test_whoever_goes_away_ends_it(self, server):
        server.hold()
        body = {"id": "held", "input": {"prompt": "held"}}
        with pytest.raises(httpx.ReadTimeout):
            server.post(json=body, timeout=0.5)
        server.idle()

    def test_health(self, server):
        answer = server.client.get("/health-check")
        content = json_of(answer)
        assert content["status"] == "READY"
        assert content["setup"]["status"] == "succeeded"
        assert content["version"]["python"]

    def test_discovery_and_document(self, server):
        content = json_of(server.client.get("/"))
        assert {"cog_version", "openapi_url", "healthcheck_url", "predictions_url"} <= set(content)
        document = json_of(server.client.get("/openapi.json"))
        assert document == cog_schema(PredictionInput)

    def test_a_prediction_is_not_asked_for_again(self, server):
        assert server.client.get("/predictions/mine").status_code == 405


class TestOurs:
    def test_an_id_is_free_again_after_the_end(self, ours):
        logs = [ours.put("again", json={"input": {"n": n}}).json()["logs"] for n in ("", None)]
        assert [log.startswith("n: is not known") for log in logs] == [True, False]

    def test_the_same_at_the_root(self, ours):
        root = str(ours.client.base_url).removesuffix("/cog/")
        assert fetch(f"{root}/health-check").json()["status"] == "READY"
        answer = post(f"{root}/predictions", json={"input": {}})
        assert answer.json()["status"] == "succeeded"

    @pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PUT", "/held")])
    def test_a_stream_that_is_left_goes_on_only_if_it_can_be_joined(self, ours, method, path):
        ours.hold()
        body = {"id": "held", "input": {"prompt": "held"}}
        accept = {"Accept": "text/event-stream"}
        with ours.client.stream(method, f"/predictions{path}", json=body, headers=accept) as left:
            assert next(left.iter_lines()) == "event: start"
        if path:
            assert ours.put("held", json=body).json()["status"] == "processing"
            assert ours.post("/held/cancel").status_code == 200
        else:
            wait_for(lambda: ours.engine.running == 0)
        ours.release()

    def test_what_is_changed_is_said_in_the_logs(self, ours):
        content = ours.post(json={"input": {"scheduler": "DDIM", "unknown": 1}}).json()
        assert content["logs"].startswith("scheduler: DDIM has no effect; it is K_EULER")
        assert "unknown: is not known here and has no effect.\n" in content["logs"]

    def test_bad_fields_are_named_with_what_they_may_be(self, ours):
        [fault] = ours.post(json={"input": {"num_outputs": 9}}).json()["detail"]
        assert fault["msg"] == "input.num_outputs: must be a whole number from 1 to 4."

    def test_a_client_sees_and_ends_its_own_only(self, tmp_path):
        keys = tmp_path / "keys"
        keys.write_text("alice alice-alice-alice at_once=1\nbob bob-bob-bob-bob-bob\n")
        running = Running(FakeEngine(), api_keys=str(keys))
        try:
            running.engine.hold()
            alice, bob = (
                {"Authorization": f"Bearer {key}"}
                for key in ("alice-alice-alice", "bob-bob-bob-bob-bob")
            )
            with connect(base_url=running.url) as client:
                assert client.post("/predictions").status_code == 401
                behind = {"Prefer": "respond-async"}
                for owner in (alice, bob):  # of the same id
                    body = {"input": {"prompt": f"{owner}"[-12:]}}
                    answer = client.put("/predictions/a", json=body, headers={**owner, **behind})
                    assert answer.json() == {"id": "a", "status": "starting"}
                full = client.post("/predictions", json={}, headers=alice)
                assert full.status_code == 409
                assert set(full.json()) == {"error", "status"}
                assert full.headers["retry-after"]
                assert client.post("/predictions/a/cancel", headers=bob).status_code == 200
                assert client.post("/predictions/a/cancel", headers=bob).status_code == 404
                assert client.post("/predictions/a/cancel", headers=alice).status_code == 200
        finally:
            running.engine.release()
            running.server.stop()

    def test_while_the_model_loads(self, start):
        engine = FakeEngine()
        server = start(engine)
        engine.say(state="loading")
        assert fetch(f"{server.url}/health-check").json()["status"] == "STARTING"
        engine.say(state="failed", detail="There are no weights.")
        content = fetch(f"{server.url}/health-check").json()
        assert content["status"] == "SETUP_FAILED"
        assert content["setup"] == {"status": "failed", "logs": "There are no weights."}

    def test_the_example_of_the_documentation(self, ours, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        exec(example("cog", str(ours.client.base_url).removesuffix("/cog/")), {})  # noqa: S102
        image = Image.open("house.png").convert("RGB")
        assert image.getpixel((5, 5)) == color_of("a red house")
