"""Replicate's API, by Replicate's own clients."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
import replicate as official
from PIL import Image
from replicate import Client
from replicate.exceptions import ModelError, ReplicateError

from lightning_demo.web.api import replicate
from lightning_demo.web.api.replicate_model import VERSIONS

from ..conftest import Running, wait_for
from ..fakes import FakeEngine, color_of
from .clients import example, fetch, post
from .javascript import run_node

MODEL = "bytedance/sdxl-lightning-4step"
VERSION = "5599ed30703defd1d160a25a63321b4dec97101d98b4674bcc56e41f62f35637"
REF = f"{MODEL}:{VERSION}"
INPUT = {"prompt": "a cat", "num_inference_steps": 4, "seed": 1}
KEYS = "alice alice-alice-alice\nbob bob-bob-bob-bob-bob\ncarol carol-carol-carol\n"


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    """A server for all tests of this module that need none of their own."""
    server = Running(FakeEngine())
    yield server
    server.server.stop()


@pytest.fixture(scope="module")
def client(served: Running) -> Iterator[Client]:
    with client_of(served) as made:
        yield made


@contextmanager
def client_of(server: Running, token: str = "r8_any") -> Iterator[Client]:  # noqa: S107
    """Replicate's client, which asks more often than it does, and is closed in the end."""
    transport = httpx.HTTPTransport(verify=False)  # else reading certificates takes longest
    made = Client(api_token=token, base_url=server.url, transport=transport)
    made.poll_interval = 0.01
    yield made
    made._client.close()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that asks for keys."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEYS)
    server = Running(FakeEngine(), api_keys=str(keys))
    yield server
    server.server.stop()


@asynccontextmanager
async def async_client_of(server: Running) -> AsyncIterator[Client]:
    made = Client(api_token="r8_any", base_url=server.url)  # noqa: S106
    made.poll_interval = 0.01
    yield made
    await made._async_client.aclose()


@pytest.fixture
def engine(served: Running) -> Iterator[FakeEngine]:
    """The shared server's engine, for tests that change it."""
    yield served.engine
    served.engine.release()
    served.engine.notes = ()


def picture(url: str) -> Image.Image:
    answer = fetch(url)
    assert answer.status_code == 200
    return Image.open(io.BytesIO(answer.content))


def shows(image: Image.Image, prompt: str) -> bool:
    return image.convert("RGB").getpixel((5, 5)) == color_of(prompt)


class TestRun:
    def test_the_code_that_is_around_needs_only_the_base_url(self, served, monkeypatch):
        monkeypatch.setenv("REPLICATE_BASE_URL", served.url)
        monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_your_api_token_here")
        client = Client()
        output = client.run(
            "bytedance/sdxl-lightning-4step:5599ed30703defd1d160a25a63321b4dec97101d98b4674bcc56e41f62f35637",
            input={
                "prompt": "a lighthouse",
                "negative_prompt": "blurry, low quality, distorted, text, watermark",
                "width": 1024,
                "height": 1024,
                "num_inference_steps": 4,
                "guidance_scale": 0,
                "scheduler": "K_EULER",
                "output_format": "png",
                "output_quality": 100,
            },
        )
        client._client.close()
        image = picture(output[0] if isinstance(output, list) else output)
        assert (image.format, image.size) == ("PNG", (256, 256))
        assert shows(image, "a lighthouse")
        asked = served.engine.requests[-1]
        assert (asked.num_inference_steps, asked.guidance_scale) == (4, 0)

    def test_by_the_name_of_the_model(self, client):
        [url] = client.run(MODEL, input={"prompt": "by name"})
        assert shows(picture(url), "by name")

    @pytest.mark.parametrize("version", [REF, VERSION, MODEL, *VERSIONS])
    def test_by_any_version(self, client, version):
        assert client.predictions.create(version, INPUT, wait=True).status == "succeeded"

    def test_without_waiting(self, client):
        output = client.run(REF, input={"num_outputs": 3, "prompt": "three"}, wait=False)
        assert [shows(picture(url), "three") for url in output] == [True] * 3

    def test_a_wait_that_is_too_short_goes_on_by_asking(self, client, engine):
        engine.hold()
        prediction = client.predictions.create(REF, INPUT, wait=1)
        # "processing" would make the clients take the output that is not there yet.
        assert prediction.status == "starting"
        threading.Timer(0.1, engine.release).start()
        prediction.wait()
        assert prediction.status == "succeeded"
        assert len(prediction.output) == 1

    def test_a_picture_that_fails(self, client):
        with pytest.raises(ModelError) as caught:
            client.run(REF, input={"prompt": "poison"})
        assert caught.value.prediction.status == "failed"
        assert "incident" in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_the_example_of_the_documentation(self, served, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("REPLICATE_BASE_URL", "")
        monkeypatch.setenv("REPLICATE_API_TOKEN", "")
        # The module's own client reads the environment once.
        monkeypatch.setattr(official.default_client, "_Client__client", None)
        exec(example("replicate", served.url), {})  # noqa: S102
        official.default_client._client.close()
        assert shows(Image.open("house.png"), "a red house")


class TestAsync:
    def test_run_and_stream(self, served):
        async def use() -> None:
            async with async_client_of(served) as client:
                output = await client.async_run(REF, input={"prompt": "async"})
                assert shows(await asyncio.to_thread(picture, output[0]), "async")
                events = [event async for event in await client.async_stream(REF, input=INPUT)]
                assert events[-1].event.value == "done"

        asyncio.run(use())

    def test_predictions(self, served):
        async def use() -> None:
            async with async_client_of(served) as client:
                prediction = await client.predictions.async_create(version=VERSION, input=INPUT)
                await prediction.async_wait()
                assert prediction.status == "succeeded"
                assert (
                    await client.predictions.async_get(prediction.id)
                ).output == prediction.output
                assert (await client.predictions.async_list()).results[0].id == prediction.id
                await prediction.async_cancel()
                assert prediction.status == "succeeded"
                assert (await client.accounts.async_current()).type == "user"

        asyncio.run(use())


class TestPredictions:
    def test_create_get_reload_wait(self, client):
        prediction = client.predictions.create(version=VERSION, input=INPUT)
        assert prediction.status == "starting"
        assert prediction.input == INPUT
        prediction.wait()
        prediction.reload()
        assert (prediction.model, prediction.version) == (MODEL, VERSION)
        assert prediction.progress.percentage == 1.0
        assert (prediction.progress.current, prediction.progress.total) == (4, 4)
        assert prediction.metrics["predict_time"] > 0
        assert prediction.created_at <= prediction.started_at <= prediction.completed_at
        assert client.predictions.get(prediction.id).dict() == prediction.dict()

    def test_progress_while_it_is_painted(self, client, engine):
        engine.hold()
        prediction = client.predictions.create(version=VERSION, input=INPUT)
        wait_for(lambda: engine.held)
        prediction.reload()
        assert (prediction.status, prediction.output) == ("processing", None)
        engine.release()
        prediction.wait()

    def test_cancel(self, client, engine):
        engine.hold()
        prediction = client.predictions.create(version=VERSION, input=INPUT)
        wait_for(lambda: engine.held)
        prediction.cancel()
        assert prediction.status == "canceled"
        assert prediction.completed_at
        wait_for(lambda: engine.running == 0)
        engine.release()
        prediction.cancel()  # again: it stays as it is
        assert prediction.status == "canceled"
        events = [event.event.value for event in prediction.stream()]
        assert events[-1] == "done"

    def test_bad_cursor(self, client):
        with pytest.raises(ReplicateError, match="cursor"):
            client.predictions.list("/v1/predictions?cursor=nan")

    def test_there_is_none_of_this_name(self, client):
        for ask in (client.predictions.get, client.predictions.cancel):
            with pytest.raises(ReplicateError) as caught:
                ask("..%2f..%2fetc%2fpasswd")
            assert caught.value.status == 404

    def test_seeds_count_on(self, served, client):
        client.run(REF, input={**INPUT, "num_outputs": 4, "seed": 7, "prompt": "seeds"})
        seeds = [asked.seed for asked in served.engine.requests if asked.prompt == "seeds"]
        assert sorted(seeds) == [7, 8, 9, 10]


class TestStream:
    def test_outputs_logs_and_done_in_order(self, client):
        events = list(client.stream(REF, input={**INPUT, "num_outputs": 2, "scheduler": "DDIM"}))
        kinds = [event.event.value for event in events]
        assert kinds[0] == "logs"
        assert "DDIM has no effect; it is K_EULER" in events[0].data
        assert kinds.count("output") == 2
        assert kinds[-1] == "done"
        assert events[-1].data == "{}"
        numbers = [int(event.id) for event in events]
        assert numbers == sorted(numbers)

    def test_it_goes_on_where_the_connection_was_lost(self, client):
        prediction = client.predictions.create(version=VERSION, input=INPUT)
        everything = list(prediction.stream())
        for lost in range(len(everything)):
            headers = {"Last-Event-ID": everything[lost].id}
            answer = fetch(prediction.urls["stream"], headers=headers)
            ids = [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")]
            rest = [each.id for each in everything[lost + 1 :]]
            assert ids[: len(rest)] == rest

    def test_a_number_that_never_was_ends_at_once(self, client):
        prediction = client.predictions.create(version=VERSION, input=INPUT, wait=True)
        answer = fetch(prediction.urls["stream"], headers={"Last-Event-ID": "999"})
        assert answer.text.count("event: done") == 1

    def test_of_a_picture_that_fails(self, client):
        with pytest.raises(RuntimeError, match="incident"):
            list(client.stream(REF, input={"prompt": "poison"}))

    def test_of_one_that_is_only_in_the_store(self, served, client):
        prediction = client.predictions.create(
            version=VERSION, input={**INPUT, "num_outputs": 2}, wait=True
        )
        served.server._api.jobs._jobs.pop(prediction.id)
        events = list(prediction.stream())
        outputs = [event.data for event in events if event.event.value == "output"]
        assert outputs == prediction.output
        assert events[0].data + "\n" == prediction.logs

    def test_its_address_is_its_key(self, client):
        prediction = client.predictions.create(version=VERSION, input=INPUT, wait=True)
        address = prediction.urls["stream"].rpartition("/")[0]
        assert fetch(f"{address}/wrong").status_code == 404
        assert fetch(f"{address}/ü").status_code == 404


class TestInput:
    @pytest.mark.parametrize("scheduler", [
        "DDIM", "DPMSolverMultistep", "HeunDiscrete", "KarrasDPM", "K_EULER_ANCESTRAL", "PNDM",
        "DPM++2MSDE",
    ])  # fmt: skip
    def test_every_scheduler_is_accepted_with_a_warning(self, client, scheduler):
        prediction = client.predictions.create(REF, {**INPUT, "scheduler": scheduler}, wait=True)
        assert prediction.status == "succeeded"
        assert f"scheduler: {scheduler} has no effect; it is K_EULER" in prediction.logs

    def test_what_is_as_asked_is_said_nothing_of(self, client):
        given = {**INPUT, "scheduler": "K_EULER", "disable_safety_checker": True, "seed": None}
        prediction = client.predictions.create(REF, given, wait=True)
        assert all("%|" in line for line in prediction.logs.splitlines())

    @pytest.mark.parametrize(
        ("field", "value", "warning"),
        [
            ("num_inference_steps", 3, "num_inference_steps: 3 became 4; there are 2, 4, 8"),
            ("width", 768, "width and height: 768x1024 became 256x384"),
            ("guidance_scale", 50, "guidance_scale: 50 became 20"),
            ("negative_prompt", "fog", "negative_prompt: has no effect"),
            ("seed", -1, "seed: -1 became 4294967295"),
            ("disable_safety_checker", False, "whoever runs this server decides"),
            ("refine", "expert", "refine: is not known here and has no effect"),
        ],
    )
    def test_what_is_changed_is_said_in_the_logs(self, client, field, value, warning):
        prediction = client.predictions.create(REF, {"prompt": "x", field: value}, wait=True)
        assert prediction.status == "succeeded"
        assert warning in prediction.logs

    def test_what_the_engine_notes_is_there_too(self, client, engine):
        engine.notes = ("The prompt was cut.",)
        prediction = client.predictions.create(REF, INPUT, wait=True)
        assert "The prompt was cut.\n" in prediction.logs

    @pytest.mark.parametrize(("name", "format"), [("webp", "WEBP"), ("jpg", "JPEG")])
    def test_formats(self, client, name, format):
        [url] = client.run(REF, input={**INPUT, "output_format": name, "output_quality": 0})
        assert picture(url).format == format

    def test_aspect_ratio(self, client):
        prediction = client.predictions.create(REF, {**INPUT, "aspect_ratio": "16:9"}, wait=True)
        assert picture(prediction.output[0]).size == (384, 256)
        assert "became" not in prediction.logs

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("num_outputs", 5, "input.num_outputs: must be a whole number from 1 to 4."),
            ("num_outputs", "2", "input.num_outputs: must be a whole number from 1 to 4."),
            ("width", 255, "input.width: must be a whole number from 256 to 1280."),
            ("num_inference_steps", 11, "must be a whole number from 1 to 10."),
            ("guidance_scale", -1, "input.guidance_scale: must be a number from 0 to 50."),
            ("scheduler", "LCM", "input.scheduler: must be one of DDIM, "),
            ("seed", 1.5, "input.seed: must be a whole number."),
            ("aspect_ratio", "wide", "input.aspect_ratio: must be text such as 16:9."),
            ("output_format", "gif", "input.output_format: must be one of webp, jpg, jpeg, png."),
            ("prompt", "", "input.prompt: type at least one character"),
            ("prompt", "a\x00b", "input.prompt: contains a control character (U+0000)"),
            ("prompt", ["a"], "input.prompt: must be text"),
        ],
    )
    def test_bad_fields_are_named(self, client, field, value, words):
        with pytest.raises(ReplicateError) as caught:
            client.run(REF, input={"prompt": "x", field: value})
        assert caught.value.status == 422
        assert caught.value.title == "Input validation failed"
        assert words in caught.value.detail

    def test_as_replicate_lists_them(self, served):
        answer = post(
            f"{served.url}/v1/predictions",
            json={"version": VERSION, "input": {"width": 1, "num_outputs": 9}},
        ).json()
        faults = answer["invalid_fields"]
        assert [fault["field"] for fault in faults] == ["input.width", "input.num_outputs"]
        assert answer["detail"] == "".join(f"- {fault['description']}\n" for fault in faults)
        assert faults[1]["description"] == "input.num_outputs: must be a whole number from 1 to 4."

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            (b"{", 422, "must be JSON"),
            (b"[]", 422, "object"),
            (b'{"input": {}}', 422, "version: is required"),
            (b'{"version": 5}', 422, "version: must be text"),
            (b'{"version": "%s", "input": 5}' % VERSION.encode(), 422, "input: must be an object"),
        ],
    )
    def test_bad_bodies(self, served, body, status, words):
        headers = {"Content-Type": "application/json"}
        answer = post(f"{served.url}/v1/predictions", content=body, headers=headers)
        assert answer.status_code == status
        assert words in answer.json()["detail"]
        assert answer.json()["status"] == status


class TestModel:
    def test_other_models_are_not_here(self, client):
        with pytest.raises(ReplicateError) as caught:
            client.run("black-forest-labs/flux-schnell", input={"prompt": "x"})
        assert caught.value.status == 404
        with pytest.raises(ReplicateError) as caught:
            client.predictions.create("stability-ai/sdxl:" + VERSION, INPUT)
        assert caught.value.status == 404
        with pytest.raises(ReplicateError) as caught:
            client.models.get("stability-ai/sdxl")
        assert caught.value.status == 404

    def test_other_versions_are_not_here(self, client):
        with pytest.raises(ReplicateError, match="version: there is no such version") as caught:
            client.predictions.create(version="0" * 64, input=INPUT)
        assert caught.value.status == 422
        with pytest.raises(ReplicateError) as caught:
            client.models.get(MODEL).versions.get("0" * 64)
        assert caught.value.status == 404

    def test_it_can_be_looked_at_and_run(self, client):
        model = client.models.get(MODEL)
        assert model.id == MODEL
        assert model.latest_version.id == VERSION
        versions = model.versions.list()
        assert model.versions.get(versions[1].id).id == versions[1].id
        assert len(client.run(model.latest_version, input=INPUT)) == 1

    def test_its_schema_says_what_it_takes(self, client):
        schema = client.models.get(MODEL).latest_version.openapi_schema["components"]["schemas"]
        fields = schema["Input"]["properties"]
        described = {
            name: (field.get("type"), field.get("default"), field.get("minimum"), field["x-order"])
            for name, field in fields.items()
        }
        assert list(described.items())[:10] == [
            (
                "prompt",
                ("string", "self-portrait of a woman, lightning in the background", None, 0),
            ),
            ("negative_prompt", ("string", "worst quality, low quality", None, 1)),
            ("width", ("integer", 1024, 256, 2)),
            ("height", ("integer", 1024, 256, 3)),
            ("num_outputs", ("integer", 1, 1, 4)),
            ("scheduler", (None, "K_EULER", None, 5)),
            ("num_inference_steps", ("integer", 4, 1, 6)),
            ("guidance_scale", ("number", 0, 0, 7)),
            ("seed", ("integer", None, None, 8)),
            ("disable_safety_checker", ("boolean", False, None, 9)),
        ]
        assert fields["scheduler"]["allOf"] == [{"$ref": "#/components/schemas/scheduler"}]
        assert len(schema["scheduler"]["enum"]) == 8
        assert schema["Output"]["items"]["format"] == "uri"
        # Otherwise `run` would return an iterator, and the code that is around breaks.
        assert "x-cog-array-type" not in schema["Output"]

    def test_account(self, client):
        assert client.accounts.current().username == "127.0.0.1"


class TestKeys:
    def test_a_wrong_token(self, keyed):
        with client_of(keyed, "wrong") as client, pytest.raises(ReplicateError) as caught:
            client.run(REF, input=INPUT)
        assert (caught.value.status, caught.value.title) == (401, "Unauthenticated")
        assert not keyed.engine.works

    def test_no_token(self, keyed):
        answer = fetch(f"{keyed.url}/v1/account")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"

    def test_predictions_of_others_are_not_there(self, keyed):
        with (
            client_of(keyed, "alice-alice-alice") as alice,
            client_of(keyed, "bob-bob-bob-bob-bob") as bob,
        ):
            assert alice.accounts.current().username == "alice"
            prediction = alice.predictions.create(REF, INPUT, wait=True)
            for ask in (bob.predictions.get, bob.predictions.cancel):
                with pytest.raises(ReplicateError) as caught:
                    ask(prediction.id)
                assert caught.value.status == 404
            assert bob.predictions.list().results == []
            # The JavaScript client follows a stream without its token.
            assert "event: done" in fetch(prediction.urls["stream"]).text

    def test_list_by_cursor(self, keyed, monkeypatch):
        monkeypatch.setattr(replicate, "PAGE", 2)
        with client_of(keyed, "carol-carol-carol") as client:
            made = [client.predictions.create(version=VERSION, input=INPUT).id for _ in range(5)]
            pages = list(official.pagination.paginate(client.predictions.list))
            assert [len(page) for page in pages] == [2, 2, 1]
            assert [each.id for page in pages for each in page] == made[::-1]


def test_a_restart(start, tmp_path):
    """What ran when the server was killed has failed; what had ended is still there."""
    server = start(files_dir=str(tmp_path / "files"))
    with client_of(server) as client:
        ended = client.predictions.create(REF, INPUT, wait=True)
        server.engine.hold()
        running = client.predictions.create(REF, INPUT)
        wait_for(lambda: server.engine.held)
        # What is on the disk now is what a killed server leaves.
        shutil.copytree(tmp_path / "files", tmp_path / "left")
        server.engine.release()
    with client_of(start(files_dir=str(tmp_path / "left"))) as client:
        found = client.predictions.get(running.id)
        assert found.status == "failed"
        assert "restarted" in found.error
        with pytest.raises(RuntimeError, match="restarted"):
            list(found.stream())

        found = client.predictions.get(ended.id)
        assert found.status == "succeeded"
        for _ in range(2):
            assert shows(picture(found.output[0]), "a cat")


JAVASCRIPT = """
import Replicate from "replicate";
const ref = process.env.REF, model = ref.split(":")[0];
const input = { prompt: "javascript", num_inference_steps: 4, num_outputs: 2 };
const replicate = new Replicate({ auth: "any", baseUrl: process.env.BASE_URL });
const said = {};
const progress = [];
said.run = await replicate.run(ref, { input }, (p) => progress.push(p.status));
said.progress = progress;
said.poll = await replicate.run(model, { input, wait: { mode: "poll", interval: 10 } });
said.stream = [];
for await (const event of replicate.stream(ref, { input })) {
  said.stream.push([event.event, String(event.data)]);
}
let prediction = await replicate.predictions.create({ version: ref.split(":")[1], input });
said.created = prediction.status;
prediction = await replicate.wait(prediction, { interval: 10 });
said.waited = prediction.status;
said.cancelled = (await replicate.predictions.cancel(prediction.id)).status;
said.got = (await replicate.predictions.get(prediction.id)).id === prediction.id;
said.listed = (await replicate.predictions.list()).results[0].id === prediction.id;
said.version = (await replicate.models.versions.get(...model.split("/"), ref.split(":")[1])).id;
said.model = (await replicate.models.get(...model.split("/"))).name;
said.account = (await replicate.accounts.current()).type;
try {
  await replicate.run(ref, { input: { prompt: "poison" } });
} catch (error) {
  said.failed = error.message;
}
try {
  await replicate.run(ref, { input: { num_outputs: 9 } });
} catch (error) {
  said.refused = [error.response.status, error.message];
}
said.errors = [];
try {
  for await (const event of replicate.stream(ref, { input: { prompt: "poison" } })) {
    said.errors.push(event.event);
  }
} catch (error) {
  said.errors.push(error.message);
}
console.log(JSON.stringify(said));
"""


def test_javascript(served, tmp_path):
    printed = run_node(tmp_path, "replicate", JAVASCRIPT, REF=REF, BASE_URL=f"{served.url}/v1")
    said = json.loads(printed)
    assert [shows(picture(url), "javascript") for url in said["run"]] == [True, True]
    assert said["progress"] == ["succeeded", "succeeded"]
    assert len(said["poll"]) == 2
    kinds = [kind for kind, _ in said["stream"]]
    assert kinds.count("output") == 2
    assert kinds[-1] == "done"
    assert (said["created"], said["waited"], said["cancelled"]) == (
        "starting",
        "succeeded",
        "succeeded",
    )
    assert said["got"] and said["listed"]
    assert (said["version"], said["model"], said["account"]) == (
        VERSION,
        "sdxl-lightning-4step",
        "user",
    )
    assert "incident" in said["failed"]
    assert said["refused"][0] == 422
    assert "from 1 to 4" in said["refused"][1]
    assert "incident" in said["errors"][-1]


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait", 60),
        ("wait=5", 5),
        ("wait=0", 1),
        ("wait=900", 60),
        ("respond-async, wait=3", 3),
        ("", None),
        ("await", None),
        ("wait=x", None),
    ],
)
def test_how_long_a_request_waits(prefer, seconds):
    assert replicate.wait_seconds(prefer) == seconds
