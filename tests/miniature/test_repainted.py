"""Latents that students make of pictures stay beside those pictures, and are cut with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightning_demo.miniature import repainted
from lightning_demo.miniature.architecture import MiniatureComponents, build_components
from lightning_demo.miniature.config import TrainingConfig
from lightning_demo.miniature.pool import Bucket
from lightning_demo.miniature.repainted import (
    ON_THE_WAY,
    Painted,
    cut,
    encoded,
    on_the_way,
    repaint,
)

CPU = torch.device("cpu")


@pytest.fixture
def parts(narrow: None) -> MiniatureComponents:
    return build_components(1000)


def nothing(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """What no words say."""
    return torch.zeros(len(texts), 32, 224), torch.zeros(len(texts), 128)


def test_the_encoders_latents_are_of_pictures_at_half_their_size(
    parts: MiniatureComponents, sharp: list[Bucket]
):
    for bucket, some in zip(sharp, encoded(parts.vae, sharp, CPU), strict=True):
        count = len(bucket.pictures)
        assert some.latents.shape == (1, count, 4, bucket.height // 16, bucket.width // 16)
        assert some.pictures is bucket.pictures


def test_each_plan_whose_student_is_there_adds_latents_near_the_encoders(
    parts: MiniatureComponents, sharp: list[Bucket]
):
    painted = encoded(parts.vae, sharp, CPU)
    students = {4: parts.unet, 8: parts.unet}
    made = repaint(painted, sharp, students, nothing, 5, CPU)
    again = repaint(painted, sharp, students, nothing, 5, CPU)
    for before, after, same in zip(painted, made, again, strict=True):
        assert len(after.latents) == 1 + 3, "of the four plans one is a 2-step student's"
        assert torch.equal(after.latents[0], before.latents[0])
        assert torch.equal(after.latents, same.latents)
        # An untrained UNet predicts nothing: what is left is the latents, less what noise hides.
        last, earlier = ((after.latents[n] - before.latents[0]).square().mean() for n in (1, 2))
        assert 0 < last < earlier < 3
    (only, *_) = repaint(painted, sharp, {}, nothing, 5, CPU)
    assert len(only.latents) == 1


def test_previews_learn_the_picture_that_will_be_there(
    parts: MiniatureComponents, sharp: list[Bucket]
):
    config = TrainingConfig(preview_pictures=10)
    shared = (parts.unet, parts.vae.decoder, nothing, config, CPU)
    made, again = on_the_way(sharp, *shared), on_the_way(sharp, *shared)
    assert sum(len(some.pictures) for some in made) == 10
    for some, same, bucket in zip(made, again, sharp, strict=True):
        count, height, width = len(some.pictures), bucket.height, bucket.width
        assert some.pictures.shape == (count, height, width, 3)
        assert some.latents.shape == (ON_THE_WAY, count, 4, height // 16, width // 16)
        assert torch.equal(some.latents, same.latents)
        with torch.no_grad():
            pixels = parts.vae.decoder(some.latents[0]).clamp(-1, 1).permute(0, 2, 3, 1)
        wanted = (pixels + 1) * 127.5
        assert (torch.from_numpy(some.pictures) - wanted).abs().max() <= 0.51, "the finished ones"
        # The last step changes the picture least.
        first, *_, last = ((each - some.latents[0]).square().mean() for each in some.latents[1:])
        assert 0 < last < first


def test_parts_of_pictures_come_with_the_latents_of_that_part(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repainted, "FIRST_SHARE", 0.5)
    # Each cell's pixels and latents say which cell it is.
    cells = np.arange(16 * 24).reshape(16, 24)
    pixels = np.kron(cells % 256, np.ones((16, 16))).astype(np.uint8)
    pictures = np.broadcast_to(pixels[None, ..., None], (2, 256, 384, 3))
    own = torch.from_numpy(cells).float().expand(2, 4, 16, 24)
    painted = [Painted(pictures, torch.stack([own, own + 1000]))]
    real, latents = cut(painted, 64, 64, torch.Generator().manual_seed(3))
    assert real.shape == (64, 3, 64, 64) and latents.shape == (64, 4, 4, 4)
    levels = ((real[:, 0, ::16, ::16] + 1) * 127.5).round()
    assert torch.equal(latents[:, 0] % 1000 % 256, levels)
    share = (latents[:, 0, 0, 0] >= 1000).float().mean()
    assert 0.3 < share < 0.7
    corners = {(int(each[0, 0, 0]) % 1000) for each in latents}
    assert len(corners) > 40, "cut at many places"
