"""The memory of finished frames: a budget in bytes, and an engine that repaints from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from lightning_demo.engine.base import Forecast
from lightning_demo.engine.memory import FrameMemory, RememberingEngine
from lightning_demo.engine.shared import SharingEngine
from lightning_demo.schemas import Frame, GenerationRequest

from .contract import EngineContract
from .observed import collect, observed_engine
from .test_promises import Tab

REQUEST = GenerationRequest("a", "", 4, 0.0, 0, 8, 8)


def frame(seed: int, size: int) -> Frame:
    return Frame(replace(REQUEST, seed=seed), b"x" * size, "image/jpeg", 4, True)


@asynccontextmanager
async def remembering(components: Any) -> AsyncIterator[Any]:
    async with observed_engine(components) as (engine, sampler):
        yield RememberingEngine(SharingEngine(engine), FrameMemory(2**20)), sampler


class TestContract(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any):
        return lambda: remembering(components)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 500))))
def test_the_budget_holds_whatever_is_put(puts: list[tuple[int, int]]):
    memory = FrameMemory(1000)
    for seed, size in puts:
        memory.put(("m", replace(REQUEST, seed=seed)), frame(seed, size))
        kept = [memory.get(("m", replace(REQUEST, seed=n))) for n in range(10)]
        sizes = [len(f.data) + 4 for f in kept if f is not None]
        assert memory.bytes == sum(sizes) <= 1000
        assert len(memory) == len(sizes)


def test_the_one_unused_longest_makes_room():
    memory = FrameMemory(1000)
    keys = [("m", replace(REQUEST, seed=n)) for n in range(4)]
    for n in range(3):
        memory.put(keys[n], frame(n, 300))
    memory.get(keys[0])
    memory.put(keys[3], frame(3, 300))
    assert memory.get(keys[1]) is None
    assert memory.get(keys[0]) is not None
    assert (memory.hits, memory.misses) == (2, 1)


def test_a_frame_larger_than_the_budget_is_not_kept():
    memory = FrameMemory(100)
    memory.put(("m", REQUEST), frame(0, 300))
    assert len(memory) == memory.bytes == 0


def test_another_model_paints_another_picture():
    memory = FrameMemory(1000)
    memory.put(("one", REQUEST), frame(0, 10))
    assert memory.get(("other", REQUEST)) is None


def test_a_remembered_request_is_one_final_frame_without_a_step(run, components, ask):
    async def check() -> None:
        async with remembering(components) as (engine, sampler):
            first = await collect(engine, ask("a boat"))
            sampler.steps.clear()
            again = await collect(engine, ask("a boat"))
            assert sampler.steps == []
            assert [f.cached for f in again] == [True]
            assert again[0].data == first[-1].data
            assert np.array_equal(again[0].pixels, first[-1].pixels)

    run(check())


def test_what_is_remembered_takes_no_time(run, components, ask):
    async def check() -> None:
        async with remembering(components) as (engine, _):
            await collect(engine, ask("a boat"))
            counted = (engine.memory.hits, engine.memory.misses)
            assert engine.forecast(ask("a boat")) == Forecast(0, 0.0, 0.0)
            assert (engine.memory.hits, engine.memory.misses) == counted

    run(check())


def test_a_draft_is_not_remembered_and_answered_by_what_is(run, components, ask):
    async def check() -> None:
        async with remembering(components) as (engine, sampler):
            await collect(engine, ask("a boat"), draft=True)
            assert len(engine.memory) == 0
            full = await collect(engine, ask("a boat"))
            assert not full[-1].cached and len(sampler.steps) == 8
            (again,) = await collect(engine, ask("a boat"), draft=True)
            assert again.cached and again.data == full[-1].data

    run(check())


def test_backspace_undo_and_slider_back_repaint_without_a_step(run, components, ask):
    async def check() -> None:
        async with remembering(components) as (engine, sampler):
            tab = Tab(engine)
            typed = [ask("a cat"), ask("a cat in snow"), ask("a cat", guidance_scale=1.5)]
            for sequence, request in enumerate(typed):
                tab.session.submit(sequence, request)
                await tab.answer(sequence)
            sampler.steps.clear()
            for sequence, back in enumerate((typed[0], typed[1], typed[2], typed[0]), start=10):
                before = len(tab.seen)
                tab.session.submit(sequence, back)
                frame = (await tab.answer(sequence)).frame
                assert (frame.cached, frame.request) == (True, back)
                assert len(tab.seen) == before + 1, "one frame, and that at once"
            assert sampler.steps == [] and engine.memory.hits == 4
            await tab.close()

    run(check())
