"""What is folded computes the same, for every size, and what is not is left alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny
from torch import nn

from lightning_demo.model.compile.fold import FoldedUpsample, fold
from lightning_demo.model.compile.folded_decoder import FoldedTiny, part
from lightning_demo.model.sampling.decode import render

SIZES = [(1, 2, 2), (1, 16, 16), (3, 16, 24), (2, 5, 9)]  # rows, and of latents


def latents(rows: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return 2 * torch.randn(rows, 4, height, width, generator=generator)


def tiny(*blocks: int, act: str = "relu") -> AutoencoderTiny:
    torch.manual_seed(sum(blocks))
    widths = (8,) * len(blocks)
    return AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(0,) * len(blocks),
        num_decoder_blocks=blocks,
        act_fn=act,
    ).eval()


@pytest.fixture(params=["full", "preview", "one stage more", "three stages"])
def vae(request: pytest.FixtureRequest, components: Any) -> AutoencoderTiny:
    """Autoencoders without blocks in their last stage."""
    shipped = {"full": components.vae, "preview": components.preview_vae}
    made = {"one stage more": (1, 0, 1, 0), "three stages": (1, 1, 0, 0, 0)}
    return shipped[request.param] if request.param in shipped else tiny(*made[request.param])


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_pixels_are_those_of_the_autoencoder(vae: AutoencoderTiny, size: tuple[int, int, int]):
    folded = fold(vae)
    assert isinstance(folded, FoldedTiny)
    (wanted, _), (cells, finite) = render(vae, latents(*size)), render(folded, latents(*size))
    found = part(cells)
    assert found.shape == wanted.shape and found.dtype == torch.uint8 and finite
    apart = (found.int() - wanted.int()).abs()
    assert apart.max() <= 1
    assert (apart > 0).float().mean() < 1e-3, "only where rounding decides"


@torch.inference_mode()
def test_what_is_not_finite_is_noticed(vae: AutoencoderTiny):
    folded = fold(vae)
    assert not render(folded, latents(1, 4, 4) * torch.inf)[1]
    assert render(folded, latents(1, 4, 4))[1]
    broken = copy.deepcopy(vae)
    broken.decoder.layers[-1].weight[0, 0, 0, 0] = torch.nan
    assert not render(fold(broken), latents(1, 4, 4))[1]


@torch.inference_mode()
def test_with_blocks_in_the_last_stage_only_enlarging_is_folded():
    vae = tiny(1, 1, 1)  # as `madebyollin/taesdxl`
    folded = fold(vae)
    assert isinstance(folded, AutoencoderTiny) and folded is not vae
    kinds = [type(layer) for layer in folded.decoder.layers]
    assert kinds.count(nn.ConvTranspose2d) == 2 and nn.Upsample not in kinds
    assert nn.Upsample in map(type, vae.decoder.layers), "the original stays as it is"
    wanted, found = (each.decode(latents(2, 6, 7)).sample for each in (vae, folded))
    assert torch.allclose(found, wanted, atol=1e-5)


@torch.inference_mode()
def test_the_unet_enlarges_as_before_and_shares_the_rest(components: Any):
    unet = components.unets.get(4)
    folded = fold(unet)
    upsamples = [each for each in folded.modules() if isinstance(each, FoldedUpsample)]
    assert len(upsamples) == 2 and folded.conv_in is unet.conv_in
    inputs = {
        "sample": latents(2, 16, 24),
        "timestep": torch.tensor([999, 499]),
        "encoder_hidden_states": torch.randn(2, 32, unet.config.cross_attention_dim),
        "added_cond_kwargs": {
            "text_embeds": torch.randn(2, 128),
            "time_ids": torch.tensor([[256.0, 384, 0, 0, 256, 384]] * 2),
        },
    }
    wanted, found = (each(**inputs).sample for each in (unet, folded))
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))
    with pytest.raises(ValueError, match="without a rest"):
        upsamples[0](torch.zeros(1, 96, 4, 4), (7, 7))


def test_what_has_nothing_to_fold_is_itself(components: Any):
    for module in (*components.text_encoders, tiny(1), nn.Sequential(nn.Upsample(scale_factor=2))):
        assert fold(module) is module
    folded = fold(components.vae)
    assert fold(folded) is folded


@pytest.mark.parametrize(
    "change",
    [
        lambda: nn.Conv2d(4, 4, 5, padding=2),
        lambda: nn.Conv2d(4, 4, 3),
        lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        lambda: nn.Conv2d(4, 4, 3, padding=1, groups=2),
    ],
    ids=["5x5", "unpadded", "reflecting", "grouped"],
)
def test_other_convolutions_stay(change: Callable[[], nn.Module]):
    layers = nn.Sequential(nn.Upsample(scale_factor=2), change())
    assert fold(layers) is layers


@torch.inference_mode()
def test_a_layer_that_stands_in_two_places_stays_in_both():
    shared = nn.ReLU()
    convs = [nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)]
    layers = nn.Sequential(convs[0], shared, nn.Upsample(scale_factor=2), convs[1], shared)
    folded = fold(layers)
    assert [type(each) for each in folded] == [nn.Conv2d, nn.ReLU, nn.ConvTranspose2d, nn.ReLU]
    x = latents(1, 5, 6)
    assert torch.allclose(folded(x), layers(x), atol=1e-5)
