"""What the 1-step student learns at which step."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from lightning_demo.miniature.architecture import build_components
from lightning_demo.miniature.dataset import Dataset, Encoded, LatentBucket
from lightning_demo.miniature.diffusion import sample_latents
from lightning_demo.miniature.targets import BLOCK, USES, Targets, target_number
from lightning_demo.miniature.training import step_generator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    def encode(tokens: torch.Tensor) -> Encoded:
        numbers = tokens[:, 0].float()
        states = numbers[:, None, None].expand(-1, 32, 224) / 9
        return states, numbers[:, None].expand(-1, 128) / 9

    tokens = torch.arange(1, 6)[:, None, None].expand(5, 3, 32)
    bucket = LatentBucket(torch.zeros(5, 4, 16, 16), tokens)
    return Dataset([bucket], torch.zeros(32, dtype=torch.long), encode)


@pytest.fixture
def targets(dataset: Dataset) -> Targets:
    return Targets(build_components(1000).unet, 2, dataset, batch=2, seed=3, device=CPU)


def test_each_batch_is_used_a_few_times_and_never_again() -> None:
    numbers = [target_number(step) for step in range(2 * BLOCK * USES)]
    assert set(Counter(numbers).values()) == {USES}
    assert set(numbers) == set(range(2 * BLOCK))
    assert max(numbers[: BLOCK * USES]) < min(numbers[BLOCK * USES :])
    apart = numbers[:BLOCK]
    assert len(set(apart)) == BLOCK, "the others come between two uses of one"


def test_a_target_is_what_the_teacher_paints_of_its_noise(
    targets: Targets, dataset: Dataset
) -> None:
    target = targets[5]
    generator = step_generator(3, 5)
    batch = dataset.draw(2, generator, CPU)
    noise = torch.randn(batch.latents.shape, generator=generator)
    assert torch.equal(target.noise, noise)
    with torch.no_grad():
        unet = build_components(1000).unet.eval()
        assert torch.equal(target.latents, sample_latents(unet, noise, batch.given, 2))
    assert not target.latents.requires_grad


def test_it_is_painted_once_and_is_the_same_after_a_resume(
    targets: Targets, dataset: Dataset
) -> None:
    first = targets[1]
    again = targets[1 + BLOCK]
    assert again is first, "not painted again"
    later = BLOCK * USES + 1
    assert not torch.equal(targets[later].noise, first.noise)
    resumed = Targets(build_components(1000).unet, 2, dataset, batch=2, seed=3, device=CPU)
    for others in (targets, resumed):
        once_more = others[1 + 2 * BLOCK]
        assert once_more is not first, "what belongs to another block is not kept"
        assert torch.equal(once_more.latents, first.latents)
