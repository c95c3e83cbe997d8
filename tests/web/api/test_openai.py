"""OpenAI's images API by the official `openai` client, loose and strict, and its relatives."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._providers.nscale import NscaleTextToImageTask
from huggingface_hub.inference._providers.together import TogetherTextToImageTask
from openai import AsyncOpenAI, OpenAI
from openai.types import ImagesResponse
from PIL import Image

from ..conftest import Running
from ..fakes import FakeEngine, color_of
from .documents import run_example

# What openai-python's own tests send (tests/api_resources/test_images.py).
EVERYTHING: dict[str, Any] = {
    "prompt": "a sea otter",
    "background": "transparent",
    "model": "gpt-image-1",
    "moderation": "low",
    "n": 1,
    "output_compression": 100,
    "output_format": "png",
    "partial_images": 1,
    "quality": "medium",
    "response_format": "url",
    "size": "1024x1024",
    "style": "vivid",
    "user": "user-1234",
}


@pytest.fixture(params=[False, True], ids=["loose", "strict"])
def client(running: Running, request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{running.url}/v1", api_key="any", _strict_response_validation=request.param
    ) as client:
        yield client


@pytest.fixture
def post(running: Running) -> Callable[..., httpx.Response]:
    def ask(path: str = "/v1/images/generations", **fields: Any) -> httpx.Response:
        return httpx.post(running.url + path, json={"prompt": "a cat", **fields}, timeout=60)

    return ask


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def is_of(picture: Image.Image, prompt: str) -> bool:
    """Whether it has the colour of the prompt."""
    shown = picture.convert("RGB").getpixel((5, 5))
    return all(abs(a - b) < 12 for a, b in zip(shown, color_of(prompt), strict=True))


def test_a_picture_has_an_address(client: OpenAI) -> None:
    answer = client.images.generate(prompt="an address", model="dall-e-3", n=2)
    for image in answer.data:
        with Image.open(io.BytesIO(httpx.get(image.url).content)) as picture:
            assert (picture.format, picture.size) == ("PNG", (256, 256))
            assert is_of(picture, "an address")


def test_gpt_image_answers_base64(client: OpenAI) -> None:
    answer = client.images.generate(prompt="base64", model="gpt-image-1", output_format="webp")
    assert (answer.data[0].url, answer.output_format) == (None, "webp")
    assert opened(answer.data[0].b64_json).format == "WEBP"
    assert answer.warnings == ["model: this server has one model, miniature."]


def test_every_field(client: OpenAI) -> None:
    answer = client.images.generate(**{**EVERYTHING, "stream": False})
    assert answer.data[0].url.startswith("http")
    names = [warning.partition(":")[0] for warning in answer.warnings]
    ignored = ["model", "background", "style", "moderation", "user", "output_compression"]
    assert names == [*ignored, "partial_images", "size"]


def test_raw_and_streamed_answers(client: OpenAI) -> None:
    raw = client.images.with_raw_response.generate(prompt="raw")
    assert isinstance(raw.parse(), ImagesResponse)
    with client.images.with_streaming_response.generate(prompt="streamed") as response:
        assert isinstance(response.parse(), ImagesResponse)


def test_partial_images(client: OpenAI) -> None:
    events = list(client.images.generate(prompt="steps", stream=True, partial_images=3))
    *partial, last = events
    assert [event.type for event in partial] == ["image_generation.partial_image"] * len(partial)
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert 1 <= len(partial) <= 3
    assert all(opened(event.b64_json).format == "JPEG" for event in partial)
    assert (last.type, last.size, last.quality) == ("image_generation.completed", "auto", "auto")
    assert is_of(opened(last.b64_json), "steps")
    assert last.usage.total_tokens == 0


def test_no_partial_images_unless_asked_for(client: OpenAI) -> None:
    events = list(client.images.generate(prompt="none", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]


def test_a_stream_of_several_completes_each(client: OpenAI) -> None:
    events = list(client.images.generate(prompt="three", stream=True, n=3))
    assert [event.type for event in events] == ["image_generation.completed"] * 3


def test_a_stream_has_no_addresses_and_says_so(client: OpenAI) -> None:
    for format, told in (
        ("url", ["response_format: has no effect with stream; events hold pictures as base64."]),
        ("b64_json", []),
    ):
        asked: Any = {"prompt": "a cat", "stream": True, "response_format": format}
        (event,) = client.images.generate(**asked)
        assert is_of(opened(event.b64_json), "a cat")
        assert event.model_extra["warnings"] == told


def test_a_stream_that_is_closed_early(client: OpenAI) -> None:
    stream = client.images.generate(**EVERYTHING, stream=True)
    stream.response.close()
    with client.images.with_streaming_response.generate(prompt="close", stream=True) as response:
        response.parse().close()


@pytest.mark.parametrize("strict", [False, True], ids=["loose", "strict"])
def test_asynchronously(running: Running, strict: bool) -> None:
    async def main() -> None:
        async with AsyncOpenAI(
            base_url=f"{running.url}/v1", api_key="any", _strict_response_validation=strict
        ) as client:
            answer = await client.images.generate(prompt="async", response_format="b64_json")
            assert is_of(opened(answer.data[0].b64_json), "async")
            stream = await client.images.generate(prompt="async", stream=True, partial_images=1)
            kinds = [event.type async for event in stream]
            assert kinds[-1] == "image_generation.completed"

    asyncio.run(main())


def test_models(client: OpenAI) -> None:
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == "miniature"
    with pytest.raises(openai.NotFoundError, match="there is 'miniature'"):
        client.models.retrieve("gpt-image-1")


def test_a_bad_field_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="n: must be a whole number from 1 to 10") as e:
        client.images.generate(prompt="a cat", n=11)
    assert (e.value.param, e.value.type) == ("n", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="size: must be text such as 1024x1024"):
        client.images.generate(prompt="a cat", size="huge")
    for name in ("num_inference_steps", "steps", "step"):
        with pytest.raises(openai.BadRequestError, match=f"{name}: must be a whole number") as e:
            client.images.generate(prompt="a cat", extra_body={name: 0})
        assert e.value.param == name
    with pytest.raises(openai.BadRequestError, match="prompt"):
        client.images.generate(prompt=" ")


def test_only_from_text(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="from text only") as caught:
        client.images.edit(image=b"picture", prompt="a hat")
    assert caught.value.param == "image"
    with (
        pytest.warns(DeprecationWarning),
        pytest.raises(openai.BadRequestError, match="from text only"),
    ):
        client.images.create_variation(image=b"picture")


def test_a_fault_in_a_stream_is_told(client: OpenAI) -> None:
    with pytest.raises(openai.APIError, match="incident") as caught:
        list(client.images.generate(prompt="poison", stream=True))
    assert "secret" not in str(caught.value)
    with pytest.raises(openai.InternalServerError, match="incident"):
        client.with_options(max_retries=0).images.generate(prompt="poison")


def test_a_wrong_key(start: Callable[..., Running], tmp_path: Any) -> None:
    keys = tmp_path / "keys"
    keys.write_text("alice sk-0123456789abcdef\n")
    server = start(FakeEngine(), api_keys=str(keys))
    with pytest.raises(openai.AuthenticationError) as caught:
        OpenAI(base_url=f"{server.url}/v1", api_key="wrong").images.generate(prompt="a cat")
    assert caught.value.code == "invalid_api_key"
    right = OpenAI(base_url=f"{server.url}/v1", api_key="sk-0123456789abcdef")
    assert right.images.generate(prompt="a cat").data
    assert httpx.post(f"{server.url}/v1/images/edits").status_code == 401


def test_fields_of_other_servers(post: Callable[..., httpx.Response], running: Running) -> None:
    fields = {"num_inference_steps": 8, "guidance_scale": 2.0, "negative_prompt": "dogs"}
    answer = post(**fields, seed=7, width=384, height=256, response_format="base64").json()
    assert (answer["data"][0]["seed"], answer["warnings"]) == (7, [])
    asked = running.engine.requests[-1]
    assert (asked.num_inference_steps, asked.guidance_scale, asked.negative_prompt) == (
        8,
        2,
        "dogs",
    )
    assert opened(answer["data"][0]["b64_json"]).size == (384, 256)


def test_a_number_of_steps_has_several_names(
    post: Callable[..., httpx.Response], running: Running
) -> None:
    for name in ("num_inference_steps", "steps", "step"):
        told = post(**{name: 3, "height": 999}).json()["warnings"]
        assert [words.partition(":")[0] for words in told] == [name, "height"]
        assert running.engine.requests[-1].num_inference_steps == 4
    told = post(step=2, steps=8, guidance=1, guidance_scale=0).json()["warnings"]
    assert [words.partition(":")[0] for words in told] == ["step", "guidance"]
    assert running.engine.requests[-1].num_inference_steps == 8


def test_quality_is_a_number_of_steps(
    post: Callable[..., httpx.Response], running: Running
) -> None:
    for fields, steps in [
        ({"quality": "low"}, 2),
        ({"quality": "hd"}, 8),
        ({"quality": "auto"}, 4),
        ({"quality": "auto", "steps": 2}, 2),
    ]:
        assert post(**fields).json()["warnings"] == []
        assert running.engine.requests[-1].num_inference_steps == steps
    for quality in ("hd", "low", "medium"):
        told = post(quality=quality, step=2).json()["warnings"]
        assert told == ["quality: has no effect beside a number of steps."]
        assert running.engine.requests[-1].num_inference_steps == 2


def test_a_size_is_asked_for_once(post: Callable[..., httpx.Response]) -> None:
    answer = post(size="256x256", width=256)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "size")


@pytest.mark.parametrize("task", [TogetherTextToImageTask(), NscaleTextToImageTask()])
def test_as_hugging_face_calls_together_and_nscale(task: Any, running: Running) -> None:
    model = InferenceProviderMapping(
        provider="x", providerId="sdxl", hf_model_id="sdxl", task="text-to-image", status="live"
    )
    parameters = {"width": 384, "height": 256, "num_inference_steps": 8, "seed": 3}
    payload = task._prepare_payload_as_dict("a cat", parameters, model)
    route = task._prepare_route("sdxl", "key")
    answer = httpx.post(running.url + route, json=payload, timeout=60)
    picture = Image.open(io.BytesIO(task.get_response(answer.content)))
    assert picture.size == (384, 256)


def test_as_open_webui_calls_it(post: Callable[..., httpx.Response]) -> None:
    """Its openai engine adds the API's version to the address, and takes base64 for PNG."""
    answer = post(
        "/v1/images/generations?api-version=2025-04-01-preview",
        model="dall-e-2",
        n=1,
        size="512x512",
        response_format="b64_json",
    )
    (image,) = answer.json()["data"]
    assert image.get("url") is None
    assert opened(image["b64_json"]).format == "PNG"


def test_the_settings_are_in_the_file(post: Callable[..., httpx.Response]) -> None:
    answer = post(seed=11, response_format="b64_json").json()
    assert json.loads(opened(answer["data"][0]["b64_json"]).text["generation"])["seed"] == 11


def test_the_documents_example(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(run_example("openai", running.url)["answer"].data) == 2
    assert "image_generation.completed" in capsys.readouterr().out
