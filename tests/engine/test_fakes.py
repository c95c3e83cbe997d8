"""The engines of simulations and of the web's tests obey the contract of engines, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ..web.fakes import FakeEngine, Stage
from .contract import EngineContract


@asynccontextmanager
async def fake() -> AsyncIterator[Any]:
    engine = FakeEngine()
    try:
        yield engine, engine
    finally:
        engine.release()
        await engine.aclose()


@asynccontextmanager
async def on_stage() -> AsyncIterator[Any]:
    async with fake() as (engine, observed):
        yield Stage(engine), observed


class TestContract(EngineContract):
    @pytest.fixture(params=[fake, on_stage], ids=["fake", "stage"])
    def open_engine(self, request: pytest.FixtureRequest):
        return request.param
