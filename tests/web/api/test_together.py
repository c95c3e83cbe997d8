"""Pictures of one request share their steps, and those of many keep no typist waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from replicate import Client

from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.schemas import GenerationRequest
from lightning_demo.web.api.native_question import MAX_IMAGES
from lightning_demo.web.callers import Caller
from lightning_demo.web.painting import IN_ENGINE, Painting

from ...engine.moments import settle
from ...engine.observed import observed_engine
from ..conftest import Running, wait_for
from ..fakes import FakeEngine

REQUESTS = 12  # each of as many pictures as one may have
VERSION = "5599ed30703defd1d160a25a63321b4dec97101d98b4674bcc56e41f62f35637"


def by_openai(url: str) -> int:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        answer = client.images.generate(prompt="four", model="dall-e-3", n=4)
        return len(answer.data or ())


def by_replicate(url: str) -> int:
    client = Client(api_token="any", base_url=url, transport=httpx.HTTPTransport(verify=False))  # noqa: S106
    fields = {"prompt": "four", "num_outputs": 4, "num_inference_steps": 4}
    output = client.run(f"bytedance/sdxl-lightning-4step:{VERSION}", input=fields)
    client._client.close()
    return len(list(output))


@pytest.mark.parametrize("generate", [by_openai, by_replicate])
def test_several_pictures_of_a_request_share_every_step(
    running: Running, generate: Callable[[str], int]
) -> None:
    running.engine.calls.clear()
    assert generate(running.url) == 4
    assert running.engine.calls == [["four"] * 4] * 4


def test_a_picture_is_the_same_alone_and_among_others(
    run: Callable[[Coroutine[Any, Any, Any]], Any], components: Any
) -> None:
    requests = [GenerationRequest("a red house", "", 4, 0.0, seed, 256, 256) for seed in range(4)]
    somebody = Caller("key", "alice")

    async def paint() -> None:
        async with observed_engine(components) as (local, sampler):
            painting = Painting(CachedEngine(local, FrameCache(0)))
            alone = await painting.paint(requests[2], somebody)
            sampler.hold()
            other = replace(requests[0], prompt="before them", num_inference_steps=1)
            before = asyncio.create_task(painting.paint(other, Caller("key", "bob")))
            await sampler.reached()
            sampler.batches.clear()
            painted = asyncio.create_task(painting.paint_all(requests, somebody))
            while local.status().waiting < 4:  # the device's thread must not be quicker
                await settle()
            sampler.release()
            frames = await painted
            await before
            assert sampler.batches == [["before them"], *[["a red house"] * 4] * 4]
            apart = frames[2].pixels.astype(int) - alone.pixels
            assert np.abs(apart).max() <= 1, "but for the rounding of a larger call"
            assert len({frame.data for frame in frames}) == 4

    run(paint())


@pytest.mark.parametrize("steps", [4, 8])
def test_a_typist_waits_for_one_step_of_a_flood(start: Callable[..., Running], steps: int) -> None:
    """Counted in calls of the model; with 8 steps the two cannot share any."""
    running = start(FakeEngine(step_seconds=0.0))
    engine, painting = running.engine, running.server._service.painting
    engine.hold()
    fields = {"prompt": "batch", "num_inference_steps": 4, "num_images": MAX_IMAGES}
    paint = partial(httpx.post, f"{running.url}/v1/pictures", json=fields, timeout=60)
    with ThreadPoolExecutor(REQUESTS) as clients, running.socket() as tab:
        asked = [clients.submit(paint) for _ in range(REQUESTS)]
        wait_for(lambda: painting._pictures.total() == REQUESTS * MAX_IMAGES)
        wait_for(lambda: engine.running == IN_ENGINE and engine.calls)
        tab.ask(1, "typed", num_inference_steps=steps)
        wait_for(lambda: engine.works[-1].request.prompt == "typed")
        before = len(engine.calls)  # the last of which runs
        engine.release()
        tab.final(1)
        calls = engine.calls[before:]
        mine = [place for place, call in enumerate(calls) if "typed" in call]
        assert mine[0] == 0, "the next call is the typist's"
        assert len(mine) == steps and mine[-1] <= 2 * (steps - 1)
        answers = [each.result().json() for each in asked]
    assert sum(len(each["pictures"]) for each in answers) == REQUESTS * MAX_IMAGES
