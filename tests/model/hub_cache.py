"""A cache of the Hub client's that a test fills."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightning_demo.model.hub.repository import Repository
from lightning_demo.model.weights.model_spec import ModelSpec


def snapshot(root: Path, repository: Repository | None) -> Path:
    assert repository is not None
    folder = root / f"models--{repository.name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    path = folder / "snapshots" / repository.revision
    path.mkdir(parents=True)
    return path


def cached(root: Path, spec: ModelSpec, commit: str) -> None:
    """Empty files of a base on the Hub, of that commit, to which its branch points."""
    folder = snapshot(root, replace(spec.base, revision=commit))
    branch = folder.parents[1] / "refs" / (spec.base.revision or "main")
    branch.parent.mkdir(parents=True, exist_ok=True)
    branch.write_text(commit)
    for file in spec.files(*spec.limits.num_inference_steps)[0][1]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def use_only(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the Hub client look there and nowhere else; it reads its environment at import."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
