"""A picture that the safety checker flags: blurred wherever it comes out, and never on a wall."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from lightning_demo.engine.checked import BLURRED, CheckedEngine
from lightning_demo.web.stage.battle import battle

from .conftest import Running
from .fakes import FakeEngine, color_of
from .stage.conftest import Hall

BAD = "something bad"


def flags(pixels: Any) -> bool:
    return bool((pixels[0, 0] == color_of(BAD)).all())


@pytest.fixture(scope="module")
def place() -> Iterator[Hall]:
    engine = FakeEngine()
    stripes = engine.paint

    # Half of each picture is white, so that it can be seen whether it was blurred.
    def paint(request: Any) -> Any:
        pixels = stripes(request).copy()
        pixels[:, 1::2] = 255
        return pixels

    engine.paint = paint  # type: ignore[method-assign]
    running = Running(CheckedEngine(engine, flags), stage=True, audience=True, open_api=True)
    yield Hall(running)
    running.server.stop()


def is_blurred(data: bytes) -> bool:
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    return int(np.abs(np.diff(pixels, axis=1)).max()) < 30


def test_the_live_page_gets_it_blurred_with_a_note(place: Hall) -> None:
    with place.running.socket() as tab:
        tab.ask(1, "a cat")
        fine = tab.final(1)[-1]
        assert fine["notes"] == [] and not is_blurred(fine["data"])
        tab.ask(2, BAD)
        bad = tab.final(2)[-1]
        assert bad["notes"] == [BLURRED] and is_blurred(bad["data"])


def test_no_wall_shows_it_nor_anything_that_was_not_looked_at(place: Hall) -> None:
    with place.presenter() as presenter:
        code = presenter.wish()["code"]
        with place.screen(code) as screen:
            presenter.ask(1, "a cat")
            screen.until(lambda seen: seen.header.get("final"))
            assert screen.header["step"] == screen.header["num_inference_steps"]
            frames = screen.frames
            presenter.ask(2, BAD)
            presenter.final(2)
            presenter.ask(3, "a dog")
            screen.until(lambda seen: seen.header.get("final") and seen.frames > frames)
            shown = np.asarray(Image.open(io.BytesIO(screen.header["data"])))
            assert np.abs(shown[4, 4].astype(int) - color_of("a dog")).max() < 130
            assert screen.frames == frames + 1, "no preview, and none of the flagged one"


def test_no_phone_sends_it(place: Hall) -> None:
    with place.presenter() as presenter, place.phone(presenter.wish()["code"]) as phone:
        assert phone.send("a cat") == ""
        assert phone.send(BAD) == BLURRED


def post(place: Hall, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return httpx.post(place.running.url + path, json=body, headers=headers, timeout=30)


def test_programs_get_it_blurred_and_are_told(place: Hall) -> None:
    answer = post(place, "/v1/pictures", {"prompt": BAD}, Accept="image/png")
    assert answer.status_code == 200 and is_blurred(answer.content)
    assert BLURRED in answer.headers["X-Warnings"]
    answer = post(place, "/v1/pictures", {"prompt": BAD}, Accept="text/event-stream")
    assert '"warnings": []' not in answer.text and "safety checker" in answer.text
    assert "preview" not in answer.text.replace("previews", ""), answer.text[:300]


@pytest.mark.parametrize("prompt", [BAD, "a cat"])
def test_fals_answers_flag_it(place: Hall, prompt: str) -> None:
    body = {"prompt": prompt, "sync_mode": True, "num_images": 2, "seed": 1}
    app = "/fal/run/fal-ai/fast-lightning-sdxl"
    found = post(place, app, body).json()
    assert found["has_nsfw_concepts"] == [prompt == BAD] * 2
    queued = post(place, app.replace("run", "queue", 1), {"prompt": prompt}).json()
    result = httpx.get(queued["response_url"], timeout=30)
    while result.status_code == 202 or "images" not in result.json():
        result = httpx.get(queued["response_url"], timeout=30)
    assert result.json()["has_nsfw_concepts"] == [prompt == BAD]


def test_the_pages_own_download_is_blurred(place: Hall) -> None:
    request = {"prompt": BAD, "num_inference_steps": 4, "seed": 1}
    answer = post(place, "/picture", request)
    assert answer.status_code == 200 and is_blurred(answer.content)


def test_no_battle_shows_it_and_none_waits_for_it(
    place: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(battle, "COUNTDOWN_SECONDS", 0.02)
    with ExitStack() as stack:
        presenter = stack.enter_context(place.presenter())
        screen = stack.enter_context(place.screen(presenter.wish()["code"]))
        picture = {"target": "picture", "lines": [BAD], "seconds": 600}
        presenter.plan = {**picture, "players": "keyboards", "verdict": "hands"}
        codes = presenter.order("gather")["codes"]
        first, second = (stack.enter_context(place.keyboard(codes[side])) for side in "ab")
        presenter.battle(lambda m: all(m["sides"][side]["here"] for side in "ab"))
        presenter.order("start")
        told = presenter.battle(lambda m: m["problem"])
        assert told["problem"] == BLURRED and told["phase"] == "gather"
        presenter.plan["lines"] = ["a good one"]
        presenter.order("start")
        screen.phase("typing")
        for player, prompt in ((first, "a cat"), (second, BAD)):
            player.until(lambda m: m["type"] == "battle" and m["types"])
            player.paint(prompt)
        presenter.order("cut")
        screen.phase("judging")
        screen.until(lambda s: {"a", "target"} <= s.places.keys())
        assert screen.board["pictures"] == ["a", "target"]
        assert not is_blurred(screen.places["a"]["data"])
        presenter.order("stop")
