"""Another host's server as an engine: the contract over real HTTP, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_demo.engine.base import Engine, Work
from lightning_demo.engine.build import about
from lightning_demo.engine.remote import RemoteEngine
from lightning_demo.model.weights.checkpoints import MINIATURE

from ..web.fakes import FakeEngine
from .contract import EngineContract
from .observed import ObservedSampler, collect, observed_engine
from .served import Served, ready, until

EXPECTED = about(MINIATURE)
EXPECTED_READY = replace(EXPECTED, state="ready")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server for the module, before an engine of each test's own."""
    with Served(FakeEngine()).running() as served:
        yield served


@asynccontextmanager
async def open_remote(
    served: Served, components: Any
) -> AsyncIterator[tuple[RemoteEngine, ObservedSampler]]:
    async with observed_engine(components) as (local, sampler):
        served.stage.engine = local
        engine = RemoteEngine(served.url, EXPECTED, poll_seconds=0.05)
        try:
            await ready(engine)
            yield engine, sampler
        finally:
            sampler.release()
            await engine.aclose()


class TestContract(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any, served: Served):
        self.served = served
        return lambda: open_remote(served, components)

    async def arrived(self, engine: Engine) -> None:
        assert isinstance(engine, RemoteEngine)
        await self.served.agree(engine)


def test_the_same_bits_as_here(run, served: Served, components: Any, ask):
    async def check() -> None:
        async with open_remote(served, components) as (remote, _):
            there = await collect(remote, ask("a cat in the snow", style="Watercolour"))
        async with observed_engine(components) as (local, _):
            here = await collect(local, ask("a cat in the snow", style="Watercolour"))
        assert here[-1].data == there[-1].data
        assert np.array_equal(here[-1].pixels, there[-1].pixels)
        assert (here[-1].notes, here[-1].model) == (there[-1].notes, there[-1].model)

    run(check())


def test_a_guess_a_draft_and_what_gives_way_are_that_there_too(
    run, served: Served, components: Any, ask
):
    async def check() -> None:
        async with open_remote(served, components) as (remote, _):
            fake = FakeEngine(status=EXPECTED_READY)
            served.stage.engine = fake
            for option in ("ahead", "draft", "yields", "paused"):
                assert (await collect(remote, ask(option), **{option: True}))[-1].final
                assert getattr(fake.works[-1], option)
            frames = await collect(remote, ask("no previews"), previews=False)
            assert len(frames) == 1 and not fake.works[-1].previews

    run(check())


def test_its_line_is_told_and_closing_it_is_told_there(run, served: Served, components: Any, ask):
    async def check() -> None:
        async with open_remote(served, components) as (remote, sampler):
            sampler.hold()
            first = asyncio.ensure_future(collect(remote, ask("first")))
            await sampler.reached()
            since = asyncio.get_running_loop().time()
            work = Work(ask("second", width=384), since=since)
            second = asyncio.ensure_future(collect(remote, work.request, since=since))
            await served.agree(remote)
            await until(lambda: remote.forecast(work) is not None)
            forecast = remote.forecast(work)
            assert forecast is not None and forecast.ahead == 0 and forecast.work > 0
            first.cancel()
            second.cancel()
            await until(lambda: served.streams == 0)
            sampler.release()

    run(check())
