"""Fixtures: what benchmarks start is there at once."""

from __future__ import annotations

import pytest

from lightning_demo.bench import servers

from ..processes import FORKS, ForkedPopen


@pytest.fixture
def forked_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are forks, and eager: what a compiler gains is for a benchmark, not for its test."""
    if FORKS:
        monkeypatch.setattr(servers, "Popen", ForkedPopen)
    monkeypatch.setenv("LIGHTNING_COMPILE", "no")
