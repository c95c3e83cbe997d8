"""An engine put together from the settings: where its model is, and who paints without it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lightning_demo.engine.build import build_engine, loader
from lightning_demo.model import loading, memory_plan
from lightning_demo.model.memory_plan import GIB, full_size_plan
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.settings import Settings

from .moments import settle
from .observed import collect


def test_the_miniature_that_replaces_a_model_for_a_missing_gpu_does_not_ask_for_that_gpu():
    settings = Settings(model="auto", device="cuda:7", compile=False)
    sampler = loader(MINIATURE, settings)(lambda fraction, sentence: None)
    assert sampler.device_name == "cpu"


@pytest.mark.parametrize(
    ("device", "free_gib", "problem", "words"),
    [
        ("cuda:7", 0, "", "The device 'cuda:7' cannot be used here"),
        ("auto", 0, "update the driver.", "would take minutes on the CPU: update the driver."),
        ("cpu", 3, "", "The GPU has 3.0 GiB free and SDXL-Lightning takes 7.0: end other programs"),
    ],
)
def test_without_a_gpu_that_can_be_used_the_miniature_paints_and_says_why(
    run: Any,
    ask: Any,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    free_gib: int,
    problem: str,
    words: str,
):
    """Nothing is downloaded before that is known."""
    monkeypatch.setattr(loading, "cuda_problem", lambda: problem)
    if free_gib:
        plan = partial(full_size_plan, "cuda", free_gib * GIB)
        monkeypatch.setattr(memory_plan, "full_size_plan", lambda kind, free, counts: plan(counts))

    async def check() -> None:
        settings = Settings(model="sdxl-lightning", device=device, threads=1)
        engine = build_engine(settings, stand_in=True)
        try:
            while engine.status().state == "loading" or engine.status().loading_model:
                await settle()
            assert (await collect(engine, ask()))[-1].model == "miniature"
            status = engine.status()
            assert (status.state, status.model) == ("ready", "miniature")
            assert status.detail.startswith("Miniature goes on without SDXL-Lightning: ")
            assert words in status.detail
        finally:
            await engine.aclose()

    run(check())


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
