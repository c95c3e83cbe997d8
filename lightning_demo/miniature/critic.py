"""A two-sample critic: how often a small network, trained for it, tells pictures from renders.

With a hundred pictures of a kind it learns them by heart and sees little; it needs thousands.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (24, 48, 96, 128, 128)  # of its layers, each half as large as the one before
BATCH = 64


def critic_accuracy(
    real: torch.Tensor, fake: torch.Tensor, unseen: int, steps: int, seed: int = 0
) -> tuple[float, float]:
    """Its accuracy and standard error on pictures it has not seen; 0.5 is a guess.

    Args:
        real: [N, 3, H, W] uint8; `fake` alike.
        unseen: the last so many of each are kept from training.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = _train(real[:-unseen], fake[:-unseen], steps)
    with torch.inference_mode():
        right = torch.cat([_score(critic, real[-unseen:]) > 0, _score(critic, fake[-unseen:]) < 0])
    share = float(right.double().mean())
    return share, (share * (1 - share) / len(right)) ** 0.5


def _train(real: torch.Tensor, fake: torch.Tensor, steps: int) -> nn.Module:
    critic = _network()
    optimizer = torch.optim.AdamW(critic.parameters(), weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    answers = torch.tensor([1.0, 0.0]).repeat_interleave(BATCH // 2)
    for _ in range(steps):
        halves = [kind[torch.randint(len(kind), (BATCH // 2,))] for kind in (real, fake)]
        pictures = _pixels(torch.cat(halves))
        if torch.rand(()) < 0.5:
            pictures = pictures.flip(3)
        loss = functional.binary_cross_entropy_with_logits(critic(pictures)[:, 0], answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        plan.step()
    return critic.eval()


def _score(critic: nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    return torch.cat([critic(_pixels(part))[:, 0] for part in pictures.split(BATCH)])


def _pixels(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.float() / 127.5 - 1  # by batch: thousands at once would fill a gigabyte


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    width = 3
    for wider in WIDTHS:
        layers += [nn.Conv2d(width, wider, 3, 2, 1), nn.BatchNorm2d(wider), nn.ReLU()]
        width = wider
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(width, 1)]
    return nn.Sequential(*layers, *pooled)
