"""Decoders learn from latents that are finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lightning_demo.miniature.architecture import build_components
from lightning_demo.miniature.config import LrPlan, TrainingConfig
from lightning_demo.miniature.decoders import train_decoder
from lightning_demo.miniature.pool import Bucket
from lightning_demo.miniature.repainted import encoded
from lightning_demo.miniature.stage_files import save_stage, start_of
from lightning_demo.miniature.training import Length

CPU = torch.device("cpu")
CONFIG = TrainingConfig(threads=1, decoder_batch=2, decoder_side=128)


@pytest.mark.usefixtures("narrow")
def test_a_decoder_is_trained_with_a_critic(sharp: list[Bucket], tmp_path: Path):
    vae = build_components(1000).vae
    before = vae.decoder.layers[-1].weight.clone()
    length, config = Length(steps=6), replace(CONFIG, patch_from=0.4)
    shared = (encoded(vae, sharp, CPU), length, tmp_path, config, CPU)
    losses = train_decoder("decoder", vae.decoder, LrPlan(1e-4), *shared, critic=True)
    assert len(losses) == 6
    assert not torch.equal(vae.decoder.layers[-1].weight, before)


@pytest.mark.usefixtures("narrow")
def test_a_decoder_goes_on_from_the_start_in_its_folder(sharp: list[Bucket], tmp_path: Path):
    vae, before = build_components(1000).vae, build_components(1000, seed=5).vae.decoder
    save_stage(tmp_path, start_of("decoder"), {"decoder": before.state_dict()})
    shared = (encoded(vae, sharp, CPU), Length(steps=1), tmp_path, CONFIG, CPU)
    train_decoder("decoder", vae.decoder, LrPlan(0.0), *shared)
    for name, value in before.state_dict().items():
        assert torch.equal(vae.decoder.state_dict()[name], value)
