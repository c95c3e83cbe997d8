"""The two-sample critic: it guesses where there is nothing to tell, and tells what differs."""

from __future__ import annotations

import torch

from lightning_demo.miniature.critic import critic_accuracy


def noise(count: int, seed: int) -> torch.Tensor:
    shape, generator = (count, 3, 32, 32), torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_a_difference_is_told_on_pictures_it_has_not_seen():
    real, fake = noise(192, 0), noise(192, 1)
    fake[:, :, 8:24, 8:24] //= 3
    accuracy, error = critic_accuracy(real, fake, unseen=64, steps=40)
    assert accuracy > 0.9
    assert error < 0.03


def test_of_one_kind_it_can_only_guess_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    accuracy, error = critic_accuracy(noise(128, 0), noise(128, 1), unseen=64, steps=20)
    assert abs(accuracy - 0.5) < 4 * error
    assert torch.equal(before, torch.random.get_rng_state())
