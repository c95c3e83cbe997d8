"""Whatever is typed, the shipped model paints a clean picture: never a grey average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lightning_demo.miniature.metrics import sharpness
from lightning_demo.model.sampling.sampler import Sampler
from lightning_demo.schemas import GenerationRequest

STRANGE = {
    "one letter": "a",
    "half a word": "a red hou",
    "unknown words": "zxqv florp steampunk grandmother",
    "another script": "красный дом у моря",
    "emoji": "🏠🌊🌅 🦊",
    "right to left": "بيت أحمر",
    "symbols": "!!! ??? ((red:1.4)) <lora:x>",
    "shouting": "A RED HOUSE!!!",
    "ten thousand words": "house red " * 5_000,
}


def paint(sampler: Sampler, request: GenerationRequest) -> np.ndarray:
    row = sampler.begin(request)
    while not row.done:
        sampler.step([row])
    return sampler.finish(row)


def edges(pixels: np.ndarray) -> float:
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    return sharpness(tensor)


@pytest.fixture(scope="module")
def usual(sampler: Sampler, ask: Callable[..., GenerationRequest]) -> list[np.ndarray]:
    """Pictures that nobody would call strange."""
    return [paint(sampler, ask("a red house by the sea at sunset", seed=n)) for n in range(3)]


@pytest.mark.parametrize("kind", STRANGE)
def test_the_picture_is_as_crisp_and_colourful_as_any(
    kind: str, usual: list[np.ndarray], sampler: Sampler, ask: Callable[..., GenerationRequest]
):
    found = [paint(sampler, ask(STRANGE[kind], seed=n)) for n in range(3)]
    assert np.mean([*map(edges, found)]) > 0.5 * np.mean([*map(edges, usual)])
    assert min(pixels.std() for pixels in found) > 0.4 * min(pixels.std() for pixels in usual)


def test_what_was_not_read_is_said(sampler: Sampler, ask: Callable[..., GenerationRequest]):
    (note,) = sampler.notes(sampler.begin(ask(STRANGE["ten thousand words"])))
    assert note == "The prompt is long: only its first 120 tokens were read."
