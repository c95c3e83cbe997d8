"""The precision of training is what was measured to be faster, whoever asks."""

from __future__ import annotations

import pytest
import torch

from lightning_demo.miniature import precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh() -> None:
    precision.bfloat16_is_faster.cache_clear()
    yield
    precision.bfloat16_is_faster.cache_clear()


@pytest.mark.parametrize("faster", [True, False])
def test_the_faster_one_is_used(monkeypatch: pytest.MonkeyPatch, faster: bool):
    seconds = {True: 1.0, False: 2.0} if faster else {True: 9.0, False: 1.0}
    monkeypatch.setattr(precision, "_seconds", lambda device, bfloat16: seconds[bfloat16])
    layer = torch.nn.Linear(2, 2)
    with precision.autocast(CPU):
        dtype = layer(torch.ones(1, 2)).dtype
    assert dtype == (torch.bfloat16 if faster else torch.float32)


def test_it_can_be_measured_where_nobody_wants_gradients():
    with torch.inference_mode():
        assert precision.bfloat16_is_faster("cpu") in (True, False)
