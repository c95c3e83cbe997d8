"""Fixtures: what benchmarks start is there at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lightning_demo.bench import chromium, servers

from .. import browsers
from ..processes import FORKS, ForkedPopen


@pytest.fixture(scope="session", autouse=True)
def browser_of_tests() -> Iterator[None]:
    """Benchmarks find the browser that tests use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chromium, "NAMES", browsers.NAMES)
        yield


@pytest.fixture(scope="module")
def forked_servers() -> Iterator[None]:
    """Servers are forks."""
    with pytest.MonkeyPatch.context() as patch:
        if FORKS:
            patch.setattr(servers, "Popen", ForkedPopen)
        yield
