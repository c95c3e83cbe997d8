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

from .adversary import AdversarialLoss, Discriminator, Times
from .config import TrainingConfig
from .dataset import Dataset
from .diffusion import (
    END,
    add_noise,
    ddim_step,
    predict,
    solve,
    trailing_timesteps,
)
from .lora import LowRank, fits_lora
from .targets import Targets
from .training import Length, Moment, Stage, run_stage


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

    @property
    def sources(self) -> tuple[str, ...]:
        """The stages that it is made from; a LoRA also of the teacher, which it is added to."""
        return (self.teacher,) if self.whole else (self.teacher, "teacher")

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
    made_of: str,
) -> list[float]:
    """Trains a student to land where its teacher does; whole ones against a discriminator, too.

    Args:
        judge: the undistilled teacher, whose encoder the discriminators start from.
        made_of: the digest of the plan's `sources`.
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

    def loss(at: Moment) -> torch.Tensor:
        batch = dataset.draw(config.distill_batch, at.generator, device)
        size = len(batch.latents)
        noise = torch.randn(batch.latents.shape, generator=at.generator).to(device)
        row = torch.randperm(size, generator=at.generator) % plan.num_inference_steps
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
        doubt = adversarial.student_loss(
            at.progress, landed, target, x, ends, batch.given, at.generator
        )
        return error + config.adversarial_weight * doubt

    key, lr = ("unet", config.distill_lr) if plan.whole else ("lora", config.lora_lr)
    stage = Stage(
        plan.name,
        {key: student},
        loss,
        lr,
        config.distill_ema,
        adversarial.rival if adversarial else None,
        made_of,
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


def train_one_step(
    student: UNet2DConditionModel,
    judge: UNet2DConditionModel,
    targets: Targets,
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
    made_of: str,
) -> list[float]:
    """Trains the student to paint the teacher's picture at once, in "sample" form.

    From noise alone no path is left to follow, so only the relaxed discriminator judges.

    Args:
        made_of: the digest of the plan's `sources`.
    """
    student.to(device).train()
    adversarial = _adversarial_loss(judge.to(device), config, conditional=False)

    def loss(at: Moment) -> torch.Tensor:
        target = targets[at.step]
        start = torch.full((len(target.noise),), trailing_timesteps(1)[0], device=device)
        made = predict(student, target.noise, start, target.given)
        error = (made - target.latents).square().mean()
        if adversarial is None:
            return error
        ends = Times(start, torch.full_like(start, END))
        doubt = adversarial.student_loss(
            at.progress, made, target.latents, target.noise, ends, target.given, at.generator
        )
        return error + config.adversarial_weight * doubt

    stage = Stage(
        STUDENTS[1].name,
        {"unet": student},
        loss,
        config.one_step_lr,
        config.distill_ema,
        adversarial.rival if adversarial else None,
        made_of,
    )
    return run_stage(stage, length, folder, config)
