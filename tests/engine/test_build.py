"""An engine put together from the settings: where its model is loaded."""

from __future__ import annotations

from lightning_demo.engine.build import loader
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.settings import Settings


def test_the_miniature_that_replaces_a_model_for_a_missing_gpu_does_not_ask_for_that_gpu():
    settings = Settings(model="auto", device="cuda:7", compile=False)
    sampler = loader(MINIATURE, settings)(lambda fraction, sentence: None)
    assert sampler.device_name == "cpu"
