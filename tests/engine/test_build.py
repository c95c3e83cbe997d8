"""An engine put together from the settings: where its model is loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightning_demo.engine.build import loader
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.settings import Settings


def test_the_miniature_that_replaces_a_model_for_a_missing_gpu_does_not_ask_for_that_gpu():
    settings = Settings(model="auto", device="cuda:7", compile=False)
    sampler = loader(MINIATURE, settings)(lambda fraction, sentence: None)
    assert sampler.device_name == "cpu"


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_what_torch_compiles_is_kept_where_nobody_else_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # so that it is as before afterwards
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    folder = tmp_path / ".cache" / "lightning-demo" / "compiled"
    folder.mkdir(parents=True)
    folder.chmod(0o775)
    loader(MINIATURE, Settings(model="miniature", compile=False))(lambda fraction, sentence: None)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
