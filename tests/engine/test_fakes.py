"""The engines of simulations and of the web's tests obey the contract of engines, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ..web.fakes import FakeEngine
from .contract import EngineContract


@asynccontextmanager
async def fake() -> AsyncIterator[Any]:
    engine = FakeEngine()
    try:
        yield engine, engine
    finally:
        engine.release()
        await engine.aclose()


class TestContract(EngineContract):
    @pytest.fixture
    def open_engine(self):
        return fake
