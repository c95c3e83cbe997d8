"""Fixtures: what benchmarks start is there at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lightning_demo.bench import servers

from ..processes import FORKS, ForkedPopen


@pytest.fixture(scope="module")
def forked_servers() -> Iterator[None]:
    """Servers are forks."""
    with pytest.MonkeyPatch.context() as patch:
        if FORKS:
            patch.setattr(servers, "Popen", ForkedPopen)
        yield
