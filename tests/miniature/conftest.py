"""Fixtures: what is trained here is small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lightning_demo.miniature import architecture


@contextmanager
def narrow_autoencoders() -> Iterator[None]:
    """New autoencoders have few channels: most of what a step takes on one core is theirs."""
    with pytest.MonkeyPatch.context() as patch:
        for part in ("ENCODER", "DECODER"):
            patch.setattr(architecture, f"{part}_WIDTH", 8)
        yield


@pytest.fixture
def narrow() -> Iterator[None]:
    """The same, for one test."""
    with narrow_autoencoders():
        yield
