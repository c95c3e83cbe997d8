"""The ZeroGPU engine: the contract in this process, and whose GPU time a request takes.

Elsewhere than on ZeroGPU `spaces.GPU` leaves a function as it is, so all but the fork is real here;
`tests/web/test_zerogpu.py` has the fork.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from gradio.context import LocalContext
from gradio.exceptions import Error as GradioError

from lightning_demo.engine import build, zerogpu
from lightning_demo.engine.base import check_room
from lightning_demo.engine.build import about
from lightning_demo.engine.metrics import Metrics
from lightning_demo.engine.session import LiveSession
from lightning_demo.engine.zerogpu import ZeroGpuEngine
from lightning_demo.errors import CheckpointError, EngineUnavailable, GenerationFailed
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.settings import Settings
from lightning_demo.surroundings import on_zerogpu

from .contract import EngineContract
from .moments import settle
from .observed import ObservedSampler, collect


@asynccontextmanager
async def open_zerogpu(components: Any) -> AsyncIterator[tuple[ZeroGpuEngine, ObservedSampler]]:
    """An engine for one picture at a time, asked from within an event of Gradio's."""
    LocalContext.request.set("a visitor")
    sampler = ObservedSampler(components)
    engine = ZeroGpuEngine(lambda report: sampler, about(MINIATURE), at_once=1)
    try:
        yield engine, sampler
    finally:
        sampler.release()
        await engine.aclose()


class TestContract(EngineContract):
    keeps_the_line = False  # ZeroGPU has its own

    @pytest.fixture
    def open_engine(self, components: Any):
        return lambda: open_zerogpu(components)


def test_its_pages_submit_on_enter_and_it_is_ready_at_once(run, components):
    async def check() -> None:
        async with open_zerogpu(components) as (engine, _):
            status = engine.status()
            assert (status.state, status.device, status.submit_on_enter) == ("ready", "cpu", True)

    run(check())


def test_it_measures_what_happens_outside_the_forked_process(run, components, ask):
    metrics = Metrics()

    async def check() -> None:
        LocalContext.request.set("a visitor")
        engine = ZeroGpuEngine(
            lambda _: ObservedSampler(components), about(MINIATURE), metrics=metrics
        )
        await collect(engine, ask("a boat"))
        with pytest.raises(GenerationFailed):
            await collect(engine, ask("poison"))
        await engine.aclose()

    run(check())
    text = metrics.exposition().decode()
    assert 'lightning_requests_total{origin="page",outcome="finished"} 1.0' in text
    assert 'lightning_requests_total{origin="page",outcome="failed"} 1.0' in text
    assert "lightning_first_paint_seconds_count 1.0" in text


def test_whoever_is_not_on_the_page_gets_no_gpu(run, components, ask):
    async def check() -> None:
        async with open_zerogpu(components) as (engine, sampler):
            LocalContext.request.set(None)
            with pytest.raises(EngineUnavailable, match="asked for on its page"):
                await collect(engine, ask())
            assert sampler.steps == []

    run(check())


def test_each_turn_is_in_the_name_of_whoever_asked_last(run, components, ask):
    """The later request starts when the first one ends, in a context of neither's event."""

    async def check() -> None:
        async with open_zerogpu(components) as (engine, sampler):
            names = []
            sampler.after_step = lambda row: names.append(
                (row.request.prompt, LocalContext.request.get(None))
            )
            session = LiveSession(engine, Settings())
            sampler.hold()
            for number, name in enumerate(("first", "second")):
                LocalContext.request.set(f"{name} event")
                session.submit(number, ask(name))
                await sampler.reached()
                await settle()
            LocalContext.request.set(None)  # as Gradio does when an event has been answered
            sampler.release()
            async for event in session.events():
                assert event.error is None
                if event.sequence == 1 and event.frame is not None and event.frame.final:
                    break
            await session.aclose()
            assert set(names) == {("first", "first event"), ("second", "second event")}
            assert names.count(("first", "first event")) == 1, "superseded: stopped at its step"

    run(check())


def test_whoever_has_left_takes_no_place_in_line(run, components, ask, monkeypatch):
    monkeypatch.setattr(zerogpu, "check_room", partial(check_room, max_waiting=2))

    async def check() -> None:
        async with open_zerogpu(components) as (engine, sampler):
            sampler.hold()
            first = asyncio.ensure_future(collect(engine, ask("first")))
            await sampler.reached()
            for number in range(4):
                left = asyncio.ensure_future(collect(engine, ask(f"left {number}")))
                await settle()
                assert engine.status().waiting == 1
                left.cancel()
                await settle()
            assert engine.status().waiting == 0
            sampler.release()
            await first

    run(check())


def test_what_zerogpu_says_of_the_quota_reaches_the_visitor(
    run, components, ask, monkeypatch: pytest.MonkeyPatch
):
    def refuse(request: object) -> Iterator[None]:
        raise GradioError("You have exceeded your quota.", title="ZeroGPU quota exceeded")
        yield

    async def check() -> None:
        async with open_zerogpu(components) as (engine, _):
            # What `spaces` does on a Space; elsewhere it leaves functions as they are.
            monkeypatch.setattr(engine, "_paint", refuse)
            with pytest.raises(EngineUnavailable) as caught:
                await collect(engine, ask())
            assert str(caught.value) == "ZeroGPU quota exceeded: You have exceeded your quota."

    run(check())


def test_a_model_that_cannot_be_loaded_says_why(run, ask):
    def load(report: Any) -> Any:
        raise CheckpointError("x.safetensors is missing.")

    async def check() -> None:
        LocalContext.request.set("a visitor")
        engine = ZeroGpuEngine(load, about(MINIATURE))
        assert engine.status().state == "failed"
        with pytest.raises(EngineUnavailable, match=r"x\.safetensors is missing"):
            await collect(engine, ask())
        await engine.aclose()

    run(check())


def test_zerogpu_is_known_by_its_variable():
    for text, expected in (("true", True), ("1", True), ("", False), ("false", False)):
        assert on_zerogpu({"SPACES_ZERO_GPU": text}) is expected
    assert on_zerogpu({}) is False


@pytest.mark.parametrize(
    ("model", "chosen", "steps"),
    [("auto", SDXL_LIGHTNING, (4,)), ("miniature", MINIATURE, (1, 2, 4, 8))],
)
def test_on_zerogpu_it_is_chosen_and_offers_what_is_loaded(
    model: str, chosen: Any, steps: tuple[int, ...], sampler: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    # Real weights are not here.
    monkeypatch.setattr(build, "loader", lambda family, settings: lambda report: sampler)
    engine = build.build_engine(Settings(model=model))
    status = engine.status()
    assert status.submit_on_enter
    assert status.model == chosen.name
    assert status.limits.num_inference_steps == steps
    assert status.limits.sizes == chosen.limits.sizes
    asyncio.run(engine.aclose())
