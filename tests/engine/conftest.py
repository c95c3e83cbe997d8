"""Fixtures: the miniature, quick to step and to decode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lightning_demo.miniature import architecture
from lightning_demo.model.sampling.sampler import Sampler

from ..small_unets import STEPS, random_unets

THIN = {
    "ENCODER_WIDTH": 4,
    "DECODER_WIDTH": 4,
    "PREVIEW_WIDTH": 4,
    "DECODER_BLOCKS": (1, 0, 0, 0, 0),
    "PREVIEW_BLOCKS": (1, 0, 0, 0, 0),
}


@pytest.fixture(scope="session")
def components(miniature: Any) -> Any:
    """The miniature with UNets of one level and thin decoders, whose pictures are as good to an
    engine as any, in a third of the time.
    """
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        for name, value in THIN.items():
            patch.setattr(architecture, name, value)
        vae, preview = architecture.build_vae(), architecture.build_preview()
        preview.decoder.layers[-1].bias.data += 0.1  # brighter, to be told from the other one's
    unets = random_unets(len(STEPS))
    return replace(miniature, unets=unets, vae=vae.eval(), preview_vae=preview.eval())


@pytest.fixture(scope="session")
def sampler(components: Any) -> Sampler:
    """A sampler of it; its state is only the memory of prompts."""
    return Sampler(components)
