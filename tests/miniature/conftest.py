"""Fixtures: what is trained here is small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lightning_demo.miniature import architecture
from lightning_demo.miniature.config import TrainingConfig
from lightning_demo.miniature.pool import Bucket, open_pool, render_pool

SHARP = TrainingConfig(sharp_pictures=20, captions_per_picture=2)


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


@pytest.fixture(scope="session")
def sharp(tmp_path_factory: pytest.TempPathFactory) -> list[Bucket]:
    """A few pictures of every size, at the size that is painted."""
    folder = tmp_path_factory.mktemp("sharp")
    render_pool(folder, SHARP, workers=1, sharp=True)
    return open_pool(folder, sharp=True)
