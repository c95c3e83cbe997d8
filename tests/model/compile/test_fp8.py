"""Float8: which layers, what is refused, and that a UNet stays one.

The multiplication itself needs a GPU; here weights alone are rounded, by the same function.
"""

from __future__ import annotations

import copy
import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from lightning_demo.errors import InvalidSetting
from lightning_demo.model.compile import fp8
from lightning_demo.model.compile.fp8 import check_fp8, is_large_linear, to_fp8
from lightning_demo.model.compile.speed import Speed
from lightning_demo.model.loading import load_components
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE


def test_large_linear_layers_and_no_others():
    linear = torch.nn.Linear(1280, 4)
    assert is_large_linear(linear, "mid_block.attentions.0.transformer_blocks.0.ff.net.2")
    assert is_large_linear(linear, "x.attn1.to_k")
    assert not is_large_linear(linear, "x.attn2.to_k")
    for name in ("time_embedding.linear_2", "add_embedding.linear_1", "x.resnets.0.time_emb_proj"):
        assert not is_large_linear(linear, name)
    assert not is_large_linear(torch.nn.Linear(640, 4), "x.attn1.to_q")
    assert not is_large_linear(torch.nn.Conv2d(1280, 4, 1), "x.conv")


def test_here_it_is_refused_before_anything_is_loaded():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InvalidSetting, match=r"fp8: needs a CUDA GPU"):
        load_components(MINIATURE, "cpu", speed=Speed(fp8=True))


def test_on_a_gpu_it_needs_room_for_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    with pytest.raises(InvalidSetting, match="all step counts"):
        check_fp8(torch.device("cuda"), unets_stay=False)
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(InvalidSetting, match="pip install torchao"):
        check_fp8(torch.device("cuda"), unets_stay=True)
    monkeypatch.setitem(sys.modules, "torchao", ModuleType("torchao"))
    check_fp8(torch.device("cuda"), unets_stay=True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6))
    with pytest.raises(InvalidSetting, match=r"8\.9"):
        check_fp8(torch.device("cuda"), unets_stay=True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 4))
    monkeypatch.setattr(torch.version, "hip", "6.4")
    with pytest.raises(InvalidSetting, match=r"8\.9"):
        check_fp8(torch.device("cuda"), unets_stay=True)


def test_a_rounded_unet_paints_nearly_the_same(
    components: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
):
    torchao = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    monkeypatch.setattr(fp8, "MIN_FEATURES", 64)  # the miniature has none so large
    unet = copy.deepcopy(components.unets.get(4))
    to_fp8(unet, torchao.Float8WeightOnlyConfig())
    rounded = [name for name, p in unet.named_parameters() if type(p.data).__name__ != "Tensor"]
    assert rounded and not any("attn2.to_k" in name for name in rounded)
    pictures = []
    for each in (components.unets.get(4), unet):
        sampler = Sampler(components)
        monkeypatch.setattr(sampler, "unet", lambda steps, each=each: each)
        row = sampler.begin(ask("a red house"))
        while not row.done:
            sampler.step([row])
        pictures.append(sampler.finish(row).astype(int))
    difference = abs(pictures[0] - pictures[1])
    assert 0 < difference.mean() < 12
