"""The real SDXL-Lightning's files, small: whole UNets, the KL decoder, the Hub's own cache.

The weights are the miniature's and random ones; every name, folder and class is that of the
repositories in the checkpoint table.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
)

from lightning_demo.errors import CheckpointError
from lightning_demo.model.loading import load_components
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.schemas import GenerationRequest

from .hub_cache import use_only

SIDE = 64


@pytest.fixture
def cached(hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the Hub client look there, and only there."""
    use_only(hub, monkeypatch)
    return hub


def test_sdxl_lightning_loads_from_the_cache_and_paints(cached: Path, kl: AutoencoderKL):
    components = load_components(SDXL_LIGHTNING, "cpu")
    assert isinstance(components.vae, AutoencoderKL)
    assert components.vae.config.scaling_factor == 0.18215
    # Its own sizes would take minutes here.
    small = replace(SDXL_LIGHTNING, sizes=((SIDE, SIDE),), min_side=SIDE)
    sampler = Sampler(replace(components, spec=small))
    pipe = StableDiffusionXLPipeline(
        vae=kl,
        text_encoder=components.text_encoders[0],
        text_encoder_2=components.text_encoders[1],
        tokenizer=components.tokenizers[0],
        tokenizer_2=components.tokenizers[1],
        unet=components.unets.get(4),
        scheduler=EulerDiscreteScheduler.from_config(
            EulerDiscreteScheduler.load_config(MINIATURE.base.folder / "scheduler"),
            timestep_spacing="trailing",
            prediction_type="epsilon",
        ),
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    for steps in (2, 4, 8):
        request = GenerationRequest("a red house", "", steps, 0.0, 7, SIDE, SIDE)
        pipe.unet = components.unets.get(steps)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = pipe(
                prompt=request.prompt,
                num_inference_steps=steps,
                guidance_scale=0,
                width=SIDE,
                height=SIDE,
                generator=torch.Generator("cpu").manual_seed(7),
            ).images[0]
        row = sampler.begin(request)
        while not row.done:
            sampler.step([row])
        difference = np.asarray(image).astype(int) - sampler.finish(row)
        assert np.abs(difference).max() <= 1
        assert sampler.preview(row).shape == (SIDE, SIDE, 3)


def test_each_step_count_loads_its_own_file(cached: Path):
    unets = load_components(SDXL_LIGHTNING, "cpu").unets
    biases = [unets.get(steps).conv_in.bias[0].item() for steps in (1, 2, 4, 8)]
    assert [round(bias - biases[0]) for bias in biases] == [0, 1, 3, 7]


def test_a_step_count_that_is_not_in_the_cache_is_named(cached: Path):
    (lightning,) = cached.glob("models--ByteDance--SDXL-Lightning/snapshots/*")
    file = lightning / "sdxl_lightning_8step_unet.safetensors"
    aside = file.rename(file.with_suffix(".aside"))
    try:
        unets = load_components(SDXL_LIGHTNING, "cpu").unets
        with pytest.raises(CheckpointError, match=r"8step_unet.*is not on this machine"):
            unets.get(8)
        assert unets.get(4) is unets.get(4)
    finally:
        aside.rename(file)


def test_warming_up_asks_only_for_the_step_count_that_was_loaded(cached: Path):
    """Of the real model: the usual step count may not even be on this machine."""
    (lightning,) = cached.glob("models--ByteDance--SDXL-Lightning/snapshots/*")
    file = lightning / "sdxl_lightning_4step_unet.safetensors"
    aside = file.rename(file.with_suffix(".aside"))
    try:
        components = load_components(SDXL_LIGHTNING, "cpu", num_inference_steps=8)
        small = replace(SDXL_LIGHTNING, sizes=((SIDE, SIDE),), min_side=SIDE)
        Sampler(replace(components, spec=small)).warm_up()
        assert components.unets.resident_steps() == (8,)
    finally:
        aside.rename(file)
