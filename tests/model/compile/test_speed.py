"""What is on by device: nothing is switched on where nobody has tried it."""

from __future__ import annotations

import pytest
import torch

from lightning_demo.model.compile.speed import CUDA_ONLY, Speed
from lightning_demo.settings import Settings

EVERYTHING = Settings(
    compile=True,
    cuda_graphs=True,
    channels_last=True,
    cudnn_attention=True,
    cudnn_benchmark=True,
    autotune=True,
    fp16_accumulation=True,
    decode_stream=True,
)


@pytest.mark.parametrize(
    ("device", "hip", "on", "compiles"),
    [
        ("cuda", None, True, True),
        ("cuda", "6.4", False, True),  # AMD's GPUs report as "cuda"
        ("xpu", None, False, False),
        ("mps", None, False, False),
    ],
)
def test_what_is_cudas_own_is_off_elsewhere(
    device: str, hip: str | None, on: bool, compiles: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.version, "hip", hip)
    speed = Speed.of(EVERYTHING, device, small=False)
    assert {getattr(speed, name) for name in CUDA_ONLY} == {on}
    assert speed.compile == compiles
    assert speed.cross_attention_cache, "keys and values once, on all of them"
