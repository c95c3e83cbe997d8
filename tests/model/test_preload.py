"""What the README has a Space download is what loading SDXL-Lightning needs, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lightning_demo.errors import CheckpointError
from lightning_demo.model.loading import load_components
from lightning_demo.model.weights.checkpoints import SDXL_LIGHTNING

from ..test_readme import REPOSITORIES, preloaded
from .hub_cache import snapshot, use_only

# Loading goes on without these, with other words cut off than the model was trained with.
QUIETLY_MISSED = ("tokenizer_config.json", "special_tokens_map.json")
FILES = [(name, file) for name, (files, _) in preloaded().items() for file in files]


@pytest.fixture
def space(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Space's Hub cache after its build, and no network."""
    use_only(tmp_path, monkeypatch)
    for name, (files, _) in preloaded().items():
        snapshot(tmp_path, REPOSITORIES[name])
        for file in files:
            source = _path(hub, name, file)
            if not source.exists():
                assert source.name in QUIETLY_MISSED, f"{name} has no {file}"
                continue
            target = _path(tmp_path, name, file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return tmp_path


def _path(cache: Path, name: str, file: str) -> Path:
    folder = cache / f"models--{name.replace('/', '--')}" / "snapshots"
    return folder / REPOSITORIES[name].revision / file


def test_what_is_preloaded_is_enough(space: Path):
    components = load_components(SDXL_LIGHTNING, "cpu")
    assert components.unets.get(SDXL_LIGHTNING.limits.default_steps) is not None


def test_nothing_is_preloaded_that_is_not_needed(space: Path):
    for name, file in FILES:
        path = _path(space, name, file)
        if path.name in QUIETLY_MISSED:
            continue
        aside = path.rename(path.with_suffix(".aside"))
        with pytest.raises(CheckpointError):
            load_components(SDXL_LIGHTNING, "cpu")
        aside.rename(path)
