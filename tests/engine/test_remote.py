"""Another host's server as an engine: the contract over real HTTP, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lightning_demo.engine.base import Engine
from lightning_demo.engine.build import about
from lightning_demo.engine.remote import RemoteEngine
from lightning_demo.model.weights.checkpoints import MINIATURE

from ..web.fakes import FakeEngine
from .contract import EngineContract
from .observed import ObservedSampler, observed_engine
from .served import Served, ready

EXPECTED = about(MINIATURE)


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
