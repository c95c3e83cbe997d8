"""Progressive adversarial distillation: one student step learns several teacher steps.

Progressive halving is arXiv 2202.00512; guidance folded into the first student and the
discriminator in latents are SDXL-Lightning's (arXiv 2402.13929, sections 3.1 to 3.3). The 1-step
student predicts the picture itself ("sample"): divided by sqrt(a_999), a small error in noise is a
large one in the picture. Text encoders stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from tqdm import tqdm

from .adversary import AdversarialLoss, Discriminator, Times
from .config import TrainingConfig
from .dataset import Dataset
from .diffusion import (
    END,
    Conditioning,
    add_noise,
    ddim_step,
    predict,
    sample_latents,
    solve,
    trailing_timesteps,
)
from .lora import LowRank, fits_lora
from .training import Length, Stage, run_stage, step_generator


@dataclass(frozen=True, slots=True)
class StudentPlan:
    """What one student learns from whom.

    `substeps` teacher steps make one of the student's. `start` and `teacher` are stages.
    A plan that is not `whole` trains no UNet, only the LoRA that becomes the file.
    """

    num_inference_steps: int
    start: str
    teacher: str
    substeps: int
    guided: bool = False
    whole: bool = True

    @property
    def name(self) -> str:
        """The stage's name."""
        return f"{'student' if self.whole else 'lora'}-{self.num_inference_steps}"

    def as_lora(self) -> StudentPlan:
        """The plan that follows: a LoRA of limited size learns what the whole student can."""
        if not self.whole:
            return self
        return StudentPlan(self.num_inference_steps, self.name, self.name, substeps=1, whole=False)


STUDENTS: dict[int, StudentPlan] = {
    8: StudentPlan(8, "teacher", "teacher", substeps=2, guided=True),
    4: StudentPlan(4, "student-8", "student-8", substeps=2),
    2: StudentPlan(2, "student-4", "student-4", substeps=2),
    1: StudentPlan(1, "student-4", "student-4", substeps=4),
}


def start_of(stage: str) -> str:
    """The stage that holds the weights that a student of a release goes on from."""
    return f"{stage}-start"


def path_timesteps(num_inference_steps: int, substeps: int) -> torch.Tensor:
    """The teacher's timesteps within each student step, [N, substeps + 1]."""
    fine = torch.tensor([*trailing_timesteps(num_inference_steps * substeps), END])
    return torch.stack(
        [fine[i * substeps : (i + 1) * substeps + 1] for i in range(num_inference_steps)]
    )


def train_student(
    plan: StudentPlan,
    student: UNet2DConditionModel | LowRank,
    teacher: UNet2DConditionModel,
    judge: UNet2DConditionModel,
    dataset: Dataset,
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
) -> list[float]:
    """Trains a student to land where its teacher does; whole ones against a discriminator, too.

    Args:
        judge: the undistilled teacher, whose encoder the discriminators start from.
    """
    student.to(device).train()
    adversarial = None
    if isinstance(student, UNet2DConditionModel):
        for name, parameter in student.named_parameters():
            parameter.requires_grad_(fits_lora(name, parameter))
        adversarial = _adversarial_loss(judge.to(device), config, conditional=True)
    teacher.to(device).eval().requires_grad_(False)
    paths = path_timesteps(plan.num_inference_steps, plan.substeps).to(device)
    guidance_scale = config.distill_guidance_scale if plan.guided else 0.0

    def loss(generator: torch.Generator, progress: float) -> torch.Tensor:
        batch = dataset.draw(config.distill_batch, generator, device)
        size = len(batch.latents)
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        row = torch.randperm(size, generator=generator) % plan.num_inference_steps
        times = list(paths[row.to(device)].unbind(1))
        x = add_noise(batch.latents, noise, times[0])
        # The first step starts from noise alone when the model is used.
        x = torch.where((row == 0).to(device)[:, None, None, None], noise, x)
        target = solve(teacher, x, times, batch.given, guidance_scale)
        landed = ddim_step(x, predict(student, x, times[0], batch.given), times[0], times[-1])
        error = (landed - target).square().mean()
        if adversarial is None:
            return error
        ends = Times(times[0], times[-1])
        doubt = adversarial.student_loss(progress, landed, target, x, ends, batch.given, generator)
        return error + config.adversarial_weight * doubt

    key, lr = ("unet", config.distill_lr) if plan.whole else ("lora", config.lora_lr)
    stage = Stage(
        plan.name,
        {key: student},
        loss,
        lr,
        config.distill_ema,
        adversarial.rival if adversarial else None,
    )
    return run_stage(stage, length, folder, config)


def _adversarial_loss(
    judge: UNet2DConditionModel, config: TrainingConfig, *, conditional: bool
) -> AdversarialLoss | None:
    if config.adversarial_weight == 0:
        return None
    torch.manual_seed(config.seed)
    forms = [Discriminator(judge, conditional=form).to(judge.device) for form in (False, True)]
    return AdversarialLoss(forms[1] if conditional else None, forms[0], config)


@dataclass(frozen=True)
class Target:
    """A batch of noises with the latents that the teacher makes of them."""

    noise: torch.Tensor
    latents: torch.Tensor
    given: Conditioning


@torch.no_grad()
def cache_targets(
    teacher: UNet2DConditionModel,
    dataset: Dataset,
    substeps: int,
    config: TrainingConfig,
    device: torch.device,
) -> list[Target]:
    """The teacher's pictures for fixed noises, computed once for the whole 1-step stage."""
    teacher.to(device).eval()
    targets = []
    for number in tqdm(range(config.cached_targets // config.distill_batch), desc="targets"):
        generator = step_generator(config.seed + 1, number)
        batch = dataset.draw(config.distill_batch, generator, device)
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        made = sample_latents(teacher, noise, batch.given, substeps)
        targets.append(Target(noise, made, batch.given))
    return targets


def train_one_step(
    student: UNet2DConditionModel,
    judge: UNet2DConditionModel,
    targets: list[Target],
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
) -> list[float]:
    """Trains the student to paint the teacher's picture at once, in "sample" form.

    From noise alone no path is left to follow, so only the relaxed discriminator judges.
    """
    student.to(device).train()
    adversarial = _adversarial_loss(judge.to(device), config, conditional=False)

    def loss(generator: torch.Generator, progress: float) -> torch.Tensor:
        target = targets[int(torch.randint(len(targets), (1,), generator=generator))]
        start = torch.full((len(target.noise),), trailing_timesteps(1)[0], device=device)
        made = predict(student, target.noise, start, target.given)
        error = (made - target.latents).square().mean()
        if adversarial is None:
            return error
        ends = Times(start, torch.full_like(start, END))
        doubt = adversarial.student_loss(
            progress, made, target.latents, target.noise, ends, target.given, generator
        )
        return error + config.adversarial_weight * doubt

    stage = Stage(
        STUDENTS[1].name,
        {"unet": student},
        loss,
        config.one_step_lr,
        config.distill_ema,
        adversarial.rival if adversarial else None,
    )
    return run_stage(stage, length, folder, config)
