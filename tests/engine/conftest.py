"""Fixtures: the miniature, quick to decode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lightning_demo.miniature import architecture
from lightning_demo.model.sampling.sampler import Sampler

THIN = {
    "ENCODER_WIDTH": 8,
    "DECODER_WIDTH": 8,
    "PREVIEW_WIDTH": 8,
    "DECODER_BLOCKS": (1, 1, 0, 0, 0),
    "PREVIEW_BLOCKS": (1, 0, 0, 0, 0),
}


@pytest.fixture(scope="session")
def components(miniature: Any) -> Any:
    """The miniature with thin decoders, whose pictures are as good to an engine as any.

    Decoding is two thirds of what a picture of the miniature costs.
    """
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        for name, value in THIN.items():
            patch.setattr(architecture, name, value)
        vae, preview = architecture.build_vae(), architecture.build_preview()
        preview.decoder.layers[-1].bias.data += 0.1  # brighter, to be told from the other one's
    return replace(miniature, vae=vae.eval(), preview_vae=preview.eval())


@pytest.fixture(scope="session")
def sampler(components: Any) -> Sampler:
    """A sampler of it; its state is only the memory of prompts."""
    return Sampler(components)
