"""AUTOMATIC1111's web API by `webuiapi`, and as Open WebUI's image engine calls it."""

from __future__ import annotations

import base64
import io
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from webuiapi import WebUIApi

from lightning_demo.engine.events import Called
from lightning_demo.studio.a1111_parameters import parse_parameters

from ..conftest import Running, wait_for
from ..fakes import FakeEngine
from .documents import run_example

OURS = {"sampler": "Euler", "steps": 4}
KEY = "a1111-0123456789"
# By the web UI itself, as it stands in its own pictures.
THEIRS = (
    "a cat, masterpiece\nwith: a colon\nNegative prompt: dogs\n"
    "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 5, "
    'Size: 512x768, Model hash: 6ce0161689, Model: v1-5, Lora hashes: "one: 1f, two: 2e", '
    "Version: v1.10.1"
)


@pytest.fixture
def connect() -> Iterator[Callable[..., WebUIApi]]:
    """Clients as they are made by default, but for the options."""
    clients: list[WebUIApi] = []

    def make(server: Running, key: str = "", **options: Any) -> WebUIApi:
        clients.append(WebUIApi(baseurl=f"{server.url}/sdapi/v1", **options))
        if key:
            clients[-1].set_auth("anybody", key)
        return clients[-1]

    yield make
    for client in clients:
        client.session.close()


@pytest.fixture
def client(running: Running, connect: Callable[..., WebUIApi]) -> WebUIApi:
    return connect(running, **OURS)


def posted(running: Running, path: str, **fields: Any) -> httpx.Response:
    return httpx.post(f"{running.url}/sdapi/v1/{path}", json=fields, timeout=60)


def as_base64(picture: Image.Image, format: str = "PNG", **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def test_pictures_and_what_is_said_of_them(client: WebUIApi, running: Running) -> None:
    result = client.txt2img(
        prompt="a cat",
        negative_prompt="dogs",
        seed=7,
        cfg_scale=2,
        width=384,
        height=256,
        batch_size=2,
        n_iter=2,
    )
    assert [(image.format, image.size) for image in result.images] == [("PNG", (384, 256))] * 4
    assert result.info["all_seeds"] == [7, 8, 9, 10]
    assert result.info["warnings"] == []
    assert result.info["infotexts"][1] == result.images[1].text["parameters"]
    assert result.info["infotexts"][0].startswith("a cat\nNegative prompt: dogs\nSteps: 4, Sampler")
    assert (result.info["cfg_scale"], result.info["sd_model_name"]) == (2.0, "miniature")
    assert result.parameters["prompt"] == "a cat"
    assert {request.guidance_scale for request in running.engine.requests[-4:]} == {2.0}


def test_what_has_no_effect(running: Running, connect: Callable[..., WebUIApi]) -> None:
    result = connect(running).txt2img(
        prompt="a cat",
        enable_hr=True,
        restore_faces=True,
        styles=["oil"],
        scheduler="karras",
        override_settings={"sd_model_checkpoint": "v1-5", "sd_vae": "another"},
    )
    names = {warning.partition(":")[0] for warning in result.info["warnings"]}
    assert names >= {"sampler_name", "scheduler", "enable_hr", "restore_faces", "styles"}
    assert names >= {"override_settings.sd_model_checkpoint", "override_settings.sd_vae"}
    assert names >= {"hr_upscaler", "denoising_strength", "steps", "width"}


def test_styles_and_variations(running: Running, connect: Callable[..., WebUIApi]) -> None:
    asked = {"styles": ["none of these", "night"], "subseed": 9, "subseed_strength": 0.5}
    result = connect(running).txt2img(prompt="a cat", seed=7, steps=4, cfg_scale=0, **asked)
    request = running.engine.requests[-1]
    assert request.painted_prompt == "a cat at night"
    assert (request.variation_seed, request.variation_strength) == (9, 0.5)
    names = {warning.partition(":")[0] for warning in result.info["warnings"]}
    assert "styles" in names and "subseed" not in names


def test_several_variations_have_one_seed(client: WebUIApi, running: Running) -> None:
    asked = {"seed": 7, "subseed": 9, "subseed_strength": 0.5, "styles": ["no", "night"]}
    result = client.txt2img(prompt="a cat", batch_size=2, **asked)
    painted = {(each.seed, each.variation_seed) for each in running.engine.requests[-2:]}
    assert painted == {(7, 9), (7, 10)}
    info = result.info
    assert (info["seed"], info["all_seeds"]) == (7, [7, 7])
    assert (info["subseed"], info["all_subseeds"], info["subseed_strength"]) == (9, [9, 10], 0.5)
    assert info["styles"] == ["Night"]
    assert info["infotexts"] == [image.text["parameters"] for image in result.images]


def test_a_subseed_that_is_drawn_is_told(client: WebUIApi, running: Running) -> None:
    info = client.txt2img(prompt="a cat", subseed=-1, subseed_strength=0.5).info
    request = running.engine.requests[-1]
    assert (info["subseed"], info["seed"]) == (request.variation_seed, request.seed)
    assert f"Variation seed: {request.variation_seed}," in info["infotexts"][0]
    info = client.txt2img(prompt="a cat", seed=7, batch_size=2).info
    assert (info["all_seeds"], info["all_subseeds"], info["subseed_strength"]) == (
        [7, 8],
        [0, 0],
        0,
    )


def test_a_prompt_that_is_longer_than_the_texts_of_strangers(running: Running) -> None:
    prompt = "🦊" * 90_000
    answer = posted(running, "txt2img", prompt=prompt, send_images=False)
    assert answer.status_code == 200, answer.text[:300]
    assert json.loads(answer.json()["info"])["infotexts"][0].startswith(f"{prompt}\nSteps: 4")


def test_seed(client: WebUIApi) -> None:
    assert client.txt2img(prompt="a cat", seed=-1).info["seed"] >= 0
    assert client.txt2img(prompt="a cat", seed=3).info["seed"] == 3


def test_settings(client: WebUIApi) -> None:
    assert client.util_get_current_model() == "miniature"
    assert client.util_get_model_names() == ["miniature"]
    assert client.util_get_sampler_names() == ["Euler"]
    assert client.util_get_scheduler_names() == ["sgm_uniform"]
    assert client.set_options(client.get_options()) == {"warnings": []}
    (warning,) = client.set_options({"sd_model_checkpoint": "v1-5"})["warnings"]
    assert "one model, miniature" in warning
    client.util_wait_for_ready()


def test_png_info_of_ours(client: WebUIApi) -> None:
    picture = client.txt2img(prompt="a cat", seed=7).images[0]
    answer = client.png_info(picture)
    assert answer.info == picture.text["parameters"]
    assert answer.parameters["Prompt"] == "a cat"
    assert (answer.parameters["Seed"], answer.parameters["Size-1"]) == ("7", "256")


def test_png_info_of_theirs(running: Running) -> None:
    texts = PngInfo()
    texts.add_text("parameters", THEIRS)
    texts.add_text("other", "text")
    large = Image.effect_noise((1600, 1600), 100)  # beyond what other bodies may be
    answer = posted(running, "png-info", image=as_base64(large, pnginfo=texts)).json()
    assert (answer["info"], answer["items"]) == (THEIRS, {"other": "text"})
    assert answer["parameters"] == {
        "Prompt": "a cat, masterpiece\nwith: a colon",
        "Negative prompt": "dogs",
        "Steps": "20",
        "Sampler": "Euler a",
        "Schedule type": "Automatic",
        "CFG scale": "7",
        "Seed": "5",
        "Size": "512x768",
        "Size-1": "512",
        "Size-2": "768",
        "Model hash": "6ce0161689",
        "Model": "v1-5",
        "Lora hashes": "one: 1f, two: 2e",
        "Version": "v1.10.1",
    }


def test_png_info_of_a_jpeg(running: Running) -> None:
    body = {"prompt": "a cat", "seed": 7}
    ours = httpx.post(f"{running.url}/v1/pictures", json=body, headers={"Accept": "image/jpeg"})
    text = f"data:image/jpeg;base64,{base64.b64encode(ours.content).decode()}"
    assert posted(running, "png-info", image=text).json()["parameters"]["Seed"] == "7"


def test_a_prompt_alone_has_no_settings() -> None:
    assert parse_parameters("a cat: red") == {"Prompt": "a cat: red", "Negative prompt": ""}


def bomb() -> str:
    """A PNG that claims 10^10 pixels."""
    data = bytearray(base64.b64decode(as_base64(Image.new("L", (8, 8)))))
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return base64.b64encode(data).decode()


def texts_bomb() -> str:
    """A PNG with compressed texts that are much larger than it."""
    texts = PngInfo()
    for number in range(4):
        texts.add_text(f"text {number}", "a" * 2**19, zip=True)
    return as_base64(Image.new("L", (8, 8)), pnginfo=texts)


@pytest.mark.parametrize(
    "image",
    [
        "not base64!",
        base64.b64encode(b"<svg/>").decode(),
        "http://127.0.0.1/picture.png",
        as_base64(Image.new("RGB", (8, 8)), "GIF"),
        bomb(),
        texts_bomb(),
        "",
    ],
)
def test_png_info_of_no_picture(running: Running, image: str) -> None:
    answer = posted(running, "png-info", image=image)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "image"]


def test_a_bad_field_is_named(running: Running) -> None:
    for fields, field in [
        ({"prompt": "a cat", "steps": 151}, "steps"),
        ({"prompt": "a cat", "batch_size": 0}, "batch_size"),
        ({"prompt": "a cat", "batch_size": 9, "n_iter": 9}, "n_iter"),
        ({"prompt": ""}, "prompt"),
    ]:
        answer = posted(running, "txt2img", **fields)
        (detail,) = answer.json()["detail"]
        assert (answer.status_code, detail["loc"]) == (422, ["body", field])
    answer = posted(running, "txt2img", prompt="poison")
    assert (answer.status_code, "secret" in answer.text) == (500, False)


@pytest.fixture
def held(start: Callable[..., Running], tmp_path: Path) -> Running:
    """A server with keys whose steps wait."""
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\nbob {KEY}-of-bob\n")
    server = start(FakeEngine(), api_keys=str(keys))
    server.engine.hold()
    return server


def test_interrupt_stops_ones_own_only(held: Running, connect: Callable[..., WebUIApi]) -> None:
    alice, bob = connect(held, KEY, **OURS), connect(held, f"{KEY}-of-bob", **OURS)
    results: dict[str, Any] = {}

    def paint(name: str, client: WebUIApi) -> None:
        results[name] = client.txt2img(prompt=name)

    threads = [threading.Thread(target=paint, args=each) for each in [("a", alice), ("b", bob)]]
    for thread in threads:
        thread.start()
    wait_for(lambda: held.engine.running == 2)
    wait_for(lambda: alice.get_progress()["state"]["job_count"] == 1)
    assert bob.get_progress()["state"]["sampling_steps"] == 4
    alice.interrupt()
    threads[0].join()
    assert (results["a"].images, results["a"].info["interrupted"]) == ([], True)
    assert alice.get_progress()["state"]["job_count"] == 0
    held.engine.release()
    threads[1].join()
    assert len(results["b"].images) == 1


def test_progress_shows_a_preview(
    start: Callable[..., Running], connect: Callable[..., WebUIApi]
) -> None:
    server = start(FakeEngine())
    client = connect(server, **OURS)
    hold_at_second_step(server.engine)
    thread = threading.Thread(target=client.txt2img, kwargs={"prompt": "a cat"})
    thread.start()
    url = f"{server.url}/sdapi/v1/progress"
    wait_for(lambda: httpx.get(url).json()["current_image"])
    told = httpx.get(url).json()
    assert (told["progress"], told["state"]["sampling_step"]) == (0.25, 1)
    assert Image.open(io.BytesIO(base64.b64decode(told["current_image"]))).format == "JPEG"
    assert httpx.get(f"{url}?skip_current_image=true").json()["current_image"] is None
    server.engine.release()
    thread.join()


def hold_at_second_step(engine: FakeEngine) -> None:
    spend, steps = engine._spend, 0

    async def spend_and_hold(call: Called) -> None:
        nonlocal steps
        steps += call.kind == "step"
        if call.kind == "step" and steps == 2:
            engine.hold()
        await spend(call)

    engine._spend = spend_and_hold  # type: ignore[method-assign]


def test_a_client_that_goes_away(held: Running) -> None:
    auth = ("anybody", KEY)
    with pytest.raises(httpx.ReadTimeout):
        url = f"{held.url}/sdapi/v1/txt2img"
        httpx.post(url, json={"prompt": "gone"}, auth=auth, timeout=httpx.Timeout(20, read=0.3))
    wait_for(lambda: held.engine.works and held.engine.running == 0)


def test_a_wrong_key(held: Running) -> None:
    answer = httpx.get(f"{held.url}/sdapi/v1/options", auth=("anybody", "wrong"))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Basic")
    assert answer.json()["detail"] == "This API key is not known."


def test_as_open_webui_calls_it(held: Running) -> None:
    """Its automatic1111 engine: lists models, sets one, then asks for pictures."""
    held.engine.release()
    basic = base64.b64encode(f"anybody:{KEY}".encode()).decode()
    headers = {"authorization": f"Basic {basic}"}
    with httpx.Client(base_url=held.url, headers=headers, timeout=60) as http:
        paint_as_open_webui(http)


def paint_as_open_webui(http: httpx.Client) -> None:
    (model,) = http.get("/sdapi/v1/sd-models").json()
    assert {"title", "model_name"} <= model.keys()
    options = http.get("/sdapi/v1/options").json()
    assert options["sd_model_checkpoint"] == model["title"]
    options["sd_model_checkpoint"] = "another"
    assert http.post("/sdapi/v1/options", json=options).is_success
    size = {"width": 512, "height": 512}
    body = {"prompt": "a cat", "batch_size": 2, "steps": 50, "negative_prompt": "dogs", **size}
    answer = http.post("/sdapi/v1/txt2img", json=body).json()
    assert len(answer["images"]) == 2
    # It takes text without a comma for a PNG.
    assert all("," not in image for image in answer["images"])
    warnings = json.loads(answer["info"])["warnings"]
    assert any("steps: 50 became 8" in warning for warning in warnings)


def test_without_a_login_it_sends_an_empty_header(running: Running) -> None:
    answer = httpx.get(f"{running.url}/sdapi/v1/options", headers={"authorization": ""})
    assert answer.json()["sd_model_checkpoint"] == "miniature"


def test_the_documents_example(running: Running) -> None:
    found = run_example("a1111", running.url)
    assert found["picture"].startswith(b"\x89PNG")
    assert found["settings"]["parameters"]["Prompt"] == "a red house by the sea"
