"""Finished pictures are looked at before anybody gets them; previews do not wait for that."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from lightning_demo.engine.base import Work, final_frame
from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.engine.checked import BLURRED, CheckedEngine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.errors import LightningError
from lightning_demo.images import blurred
from lightning_demo.schemas import Frame
from tests.web.fakes import FakeEngine, color_of

from .moments import settle
from .observed import collect


def flags(pixels: Any) -> bool:
    """Whether it is the picture of this prompt."""
    return bool((pixels[0, 0] == color_of("something bad")).all())


def test_only_what_is_finished_is_looked_at(run, ask):
    async def check() -> None:
        metrics = Metrics()
        engine = CheckedEngine(FakeEngine(), flags, metrics)
        *previews, final = await collect(engine, ask("a cat"))
        assert previews and {frame.safety for frame in previews} == {"unchecked"}
        assert final.safety == "fine" and final.notes == ()
        assert final.timings["safety"] >= 0
        *_, bad = await collect(engine, ask("something bad"))
        assert bad.safety == "blurred" and bad.notes == (BLURRED,)
        assert metrics.registry.get_sample_value("lightning_safety_seconds_count") == 2
        assert metrics.registry.get_sample_value("lightning_blurred_total") == 1
        # A draft is soon replaced, and told from what was looked at.
        async for value in engine.generate(Work(ask("something bad"), draft=True)):
            assert not isinstance(value, Frame) or value.safety == "unchecked"
        await engine.aclose()

    run(check())


def test_what_is_kept_was_looked_at_once(run, ask):
    async def check() -> None:
        looks = []

        def look(pixels: Any) -> bool:
            looks.append(1)
            return flags(pixels)

        engine = CachedEngine(CheckedEngine(FakeEngine(), look), FrameCache(2**24))
        for _ in range(2):
            frame = await final_frame(engine, Work(ask("something bad")))
            assert frame.safety == "blurred"
        assert frame.cached and len(looks) == 1
        await engine.aclose()

    run(check())


def test_what_cannot_be_looked_at_is_not_shown(run, ask):
    def fail(pixels: Any) -> bool:
        raise RuntimeError("secret: /home/me")

    async def check() -> None:
        engine = CheckedEngine(FakeEngine(), fail)
        with pytest.raises(LightningError, match="could not be checked") as caught:
            await final_frame(engine, Work(ask("a cat")))
        assert "secret" not in caught.value.message
        await engine.aclose()

    run(check())


def test_nothing_can_be_made_out_in_a_blurred_picture():
    lines = np.zeros((256, 384, 3), np.uint8)
    lines[:, ::8] = 255  # finer than what is left
    found = blurred(lines)
    assert found.shape == lines.shape and found.dtype == np.uint8
    assert int(found.max()) - int(found.min()) < 60
    assert blurred(np.zeros((8, 1024, 3), np.uint8)).shape == (8, 1024, 3)


def test_closing_leaves_nobody_waiting_for_a_look(run, ask):
    """Two pictures are finished: one is being looked at, the other is next."""
    looking, go_on = threading.Event(), threading.Event()

    def look(pixels: Any) -> bool:
        looking.set()
        return not go_on.wait(30)

    async def check() -> None:
        inner = FakeEngine()
        engine = CachedEngine(CheckedEngine(inner, look), FrameCache(0))
        asked = [
            asyncio.create_task(final_frame(engine, Work(ask(prompt)))) for prompt in ("one", "two")
        ]
        while len(inner.steps) < 8 or not looking.is_set():
            await settle()
        await settle(0.05)  # until the other is in line, too
        await engine.aclose()
        go_on.set()
        done, waiting = await asyncio.wait(asked, timeout=20)
        assert not waiting
        assert {task.result().safety for task in done} == {"fine"}

    run(check())
