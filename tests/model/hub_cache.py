"""A cache of the Hub client's that a test fills."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_demo.model.hub.repository import Repository


def snapshot(root: Path, repository: Repository | None) -> Path:
    assert repository is not None
    folder = root / f"models--{repository.name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    path = folder / "snapshots" / repository.revision
    path.mkdir(parents=True)
    return path


def use_only(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the Hub client look there and nowhere else; it reads its environment at import."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
