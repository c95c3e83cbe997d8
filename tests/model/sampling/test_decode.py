"""Latents to pixels: diffusers' own rounding, and no black picture for NaN."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor

from lightning_demo.errors import GenerationFailed
from lightning_demo.model.sampling.decode import decode, render


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(2, 4, 12, 16, generator=torch.Generator().manual_seed(0))


def test_pixels_are_those_of_the_image_processor(components: Any, latents: torch.Tensor):
    vae = components.vae
    ours = np.stack(decode(vae, latents)).astype(int)
    with torch.inference_mode():
        image = vae.decode(latents / vae.config.scaling_factor).sample
    theirs = VaeImageProcessor().postprocess(image, output_type="pil")
    assert ours.shape == (2, 192, 256, 3)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert np.abs(mine - np.asarray(wanted).astype(int)).max() <= 1


def test_a_batch_decodes_as_its_rows(components: Any, latents: torch.Tensor):
    together = decode(components.preview_vae, latents)
    for index in range(2):
        (alone,) = decode(components.preview_vae, latents[index : index + 1])
        assert np.abs(together[index].astype(int) - alone).max() <= 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_an_error(
    components: Any, latents: torch.Tensor, value: float, monkeypatch: pytest.MonkeyPatch
):
    def broken(scaled: torch.Tensor, return_dict: bool = True) -> tuple[torch.Tensor]:
        image = torch.zeros(2, 3, 192, 256)
        image[1, 2, 3, 4] = value
        return (image,)

    monkeypatch.setattr(components.vae, "decode", broken)
    with pytest.raises(GenerationFailed, match="NaN or infinite"):
        decode(components.vae, latents)


def test_an_overflow_in_half_precision_is_decoded_once_more_in_float32(
    components: Any, monkeypatch: pytest.MonkeyPatch
):
    """SDXL's own decoder overflows in float16; values beyond 65504 are fine in float32.

    The copy in float32 is made once: it will overflow again.
    """
    vae = copy.deepcopy(components.preview_vae)
    with torch.no_grad():
        for parameter in vae.decoder.layers[0].parameters():
            parameter.mul_(3e5 / parameter.abs().max() / 10)
        last = vae.decoder.layers[-1]
        last.weight.mul_(1e-6)
    latents = torch.full((1, 4, 8, 8), 3.0)
    half = vae.half()
    assert not render(half, latents.half())[1], "the case is a case: half precision overflows"
    places = [parameter.data_ptr() for parameter in half.parameters()]
    wanted = decode(copy.deepcopy(half).float(), latents)
    assert np.array_equal(decode(half, latents), wanted)
    monkeypatch.setattr(copy, "deepcopy", None)
    assert np.array_equal(decode(half, latents), wanted)
    assert [parameter.data_ptr() for parameter in half.parameters()] == places
    assert all(parameter.dtype == torch.float16 for parameter in half.parameters())
