"""Fixtures: one server for all tests of the APIs that leave no trace in it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from ..conftest import Running
from ..fakes import FakeEngine


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """A server whose APIs this machine may use."""
    running = Running(FakeEngine())
    yield running
    running.server.stop()


@pytest.fixture(scope="session")
def ask(server: Running) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
