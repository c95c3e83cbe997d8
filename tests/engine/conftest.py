"""Fixtures: the miniature, quick to step and to decode."""

from __future__ import annotations

from typing import Any

import pytest

from lightning_demo.model.sampling.sampler import Sampler

from ..quick import quick_components


@pytest.fixture(scope="session")
def components(miniature: Any) -> Any:
    """Models that are as good to an engine as the miniature."""
    return quick_components(miniature)


@pytest.fixture(scope="session")
def sampler(components: Any) -> Sampler:
    """A sampler of it; its state is only the memory of prompts."""
    return Sampler(components)
