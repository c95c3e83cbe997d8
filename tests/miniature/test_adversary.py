"""The discriminator: the teacher's own encoder, one logit, and a loss in three phases."""

from __future__ import annotations

import pytest
import torch

from lightning_demo.miniature.adversary import AdversarialLoss, Discriminator, Times
from lightning_demo.miniature.architecture import build_components
from lightning_demo.miniature.config import TrainingConfig
from lightning_demo.miniature.diffusion import END, Conditioning, make_time_ids

SIZE = 4
CPU = torch.device("cpu")
GIVEN = Conditioning(
    torch.randn(SIZE, 32, 224, generator=torch.Generator().manual_seed(1)),
    torch.randn(SIZE, 128, generator=torch.Generator().manual_seed(2)),
    make_time_ids(SIZE, 128, 128, CPU),
)
TIMES = Times(torch.full((SIZE,), 999), torch.full((SIZE,), 499))


def noise(seed: int, size: int = SIZE) -> torch.Tensor:
    return torch.randn(size, 4, 16, 16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def teacher():
    return build_components(800).unet


def test_its_features_start_as_the_teachers(teacher):
    seen = {}
    hook = teacher.mid_block.register_forward_hook(lambda *args: seen.update(mid=args[2]))
    extra = {"text_embeds": GIVEN.pooled, "time_ids": GIVEN.time_ids}
    teacher(noise(0), TIMES.end, GIVEN.states, added_cond_kwargs=extra)
    hook.remove()
    judge = Discriminator(teacher, conditional=False)
    made = judge.features(noise(0), TIMES.end, GIVEN)
    torch.testing.assert_close(made, seen["mid"])
    assert hasattr(teacher, "up_blocks"), "the teacher itself stays whole"


@pytest.mark.parametrize("conditional", [False, True])
def test_only_the_conditional_form_sees_where_the_jump_began(teacher, conditional: bool):
    judge = Discriminator(teacher, conditional=conditional)
    first = judge(noise(0), noise(1), TIMES, GIVEN)
    second = judge(noise(0), noise(2), TIMES, GIVEN)
    assert first.shape == (SIZE,)
    assert torch.equal(first, second) != conditional


def test_it_learns_to_tell_two_sets_apart_and_pulls_the_student(teacher):
    torch.manual_seed(0)
    config = TrainingConfig(adversarial_from=0.0, relaxed_from=0.0, discriminator_lr=1e-3)
    adversarial = AdversarialLoss(None, Discriminator(teacher, conditional=False), config)
    optimizer = torch.optim.Adam(adversarial.relaxed.parameters(), lr=1e-3, betas=(0.5, 0.99))
    student = torch.nn.Parameter(noise(3) + 1)
    target = noise(3) - 1
    ends = Times(TIMES.start, torch.full((SIZE,), END))
    losses = []
    for step in range(8):
        generator = torch.Generator().manual_seed(step)
        doubt = adversarial.student_loss(0.5, student, target, noise(4), ends, GIVEN, generator)
        (gradient,) = torch.autograd.grad(doubt, student)
        loss = adversarial.rival_loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert gradient.abs().sum() > 0


def test_nobody_judges_first_then_the_conditional_then_the_relaxed_one(teacher):
    config = TrainingConfig(adversarial_from=0.5, relaxed_from=0.8)
    forms = [Discriminator(teacher, conditional=form) for form in (True, False)]
    adversarial = AdversarialLoss(*forms, config)
    assert [adversarial.judge_at(p) for p in (0.0, 0.49, 0.5, 0.79, 0.8, 1.0)] == [
        *(None, None),
        *(forms[0], forms[0]),
        *(forms[1], forms[1]),
    ]
    generator = torch.Generator().manual_seed(0)
    landed = noise(0)
    assert adversarial.student_loss(0.1, landed, landed, landed, TIMES, GIVEN, generator) == 0
    assert adversarial.rival_loss() is None
    assert set(adversarial.rival.modules) == {"conditional", "relaxed"}
