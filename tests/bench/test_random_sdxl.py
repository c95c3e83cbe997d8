"""Random SDXL: the published sizes, the same modules when thin, and pictures that could differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from lightning_demo.bench.random_sdxl import FULL, THIN, Shape, _text_config, random_components
from lightning_demo.model.memory_plan import UNET_BYTES, MemoryPlan
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.schemas import GenerationRequest


def models(shape: Shape) -> dict[str, Any]:
    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel.from_config(dict(shape.unet)),
            "vae": AutoencoderKL.from_config(dict(shape.vae)),
            "preview": AutoencoderTiny(**shape.preview),
            "first": CLIPTextModel(_text_config(shape.text_encoder)),
            "second": CLIPTextModelWithProjection(_text_config(shape.text_encoder_2)),
        }


def test_full_has_the_published_sizes():
    sizes = {name: sum(p.numel() for p in m.parameters()) for name, m in models(FULL).items()}
    assert sizes == {
        "unet": 2_567_463_684,
        "vae": 83_653_863,
        "preview": 2_445_063,
        "first": 123_060_480,
        "second": 694_659_840,
    }
    assert abs(2 * sizes["unet"] - UNET_BYTES) < 0.01 * UNET_BYTES, "profiles count with these"


def test_thin_has_the_same_modules():
    full = models(FULL)
    for name, thin in models(THIN).items():
        assert thin.state_dict().keys() == full[name].state_dict().keys(), name


def paint(components: Any, steps: int = 4, seed: int = 7) -> np.ndarray:
    sampler = Sampler(components)
    row = sampler.begin(GenerationRequest("a cat", "", steps, 0.0, seed, 64, 64))
    while not row.done:
        sampler.step([row])
    return sampler.finish(row).astype(int)


def test_pictures_have_contrast_and_depend_on_what_is_asked():
    components = random_components(THIN)
    picture = paint(components)
    assert picture.std() > 20
    for other in (paint(components, seed=8), paint(components, steps=8)):
        assert np.abs(picture - other).max() > 10
    assert np.array_equal(paint(random_components(THIN)), picture), "always the same weights"


@pytest.mark.parametrize("decoder", ["full", "tiled", "tiny"])
def test_components_follow_their_profile(decoder: Any):
    profile = MemoryPlan("test", torch.float32, 1, text_encoders_stay=False, decoder=decoder)
    components = random_components(THIN, profile=profile)
    assert (components.vae is components.preview_vae) == (decoder == "tiny")
    assert getattr(components.vae, "use_tiling", False) == (decoder == "tiled")
    assert paint(components).shape == (64, 64, 3)
    components.unets.get(8)
    assert len(components.unets.resident()) == 1
