"""Progressive distillation (arXiv 2202.00512): one student step learns several teacher steps.

Guidance is folded into the first student, as in SDXL-Lightning (arXiv 2402.13929, section 3.1).
The 1-step student predicts the picture itself ("sample"): divided by sqrt(a_999), a small error in
noise is a large one in the picture. Text encoders stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from tqdm import tqdm

from .config import TrainingConfig
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
from .teacher import Batch, LatentBucket, draw_batch
from .text import TextEncoders
from .training import Length, Stage, run_stage, step_generator


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one student learns from whom.

    `substeps` teacher steps make one of the student's. `start` and `teacher` are stages.
    A lesson that is not `whole` trains no UNet, only the LoRA that becomes the file.
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

    def as_lora(self) -> Lesson:
        """The lesson that follows: a LoRA of limited size learns what the whole student can."""
        if not self.whole:
            return self
        return Lesson(self.num_inference_steps, self.name, self.name, substeps=1, whole=False)


LESSONS: dict[int, Lesson] = {
    4: Lesson(4, "teacher", "teacher", substeps=2, guided=True),
    2: Lesson(2, "student-4", "student-4", substeps=2),
    # The 4-step student is near already, and has guidance in it.
    8: Lesson(8, "student-4", "teacher", substeps=1, guided=True, whole=False),
    1: Lesson(1, "student-4", "student-4", substeps=4),
}


@torch.no_grad()
def condition(encoders: TextEncoders, batch: Batch) -> Conditioning:
    """What the frozen text encoders make of a batch."""
    with torch.autocast(batch.ids.device.type, torch.bfloat16):
        states, pooled = encoders.encode(batch.ids)
    return Conditioning(states.float(), pooled.float(), batch.time_ids)


def path_timesteps(num_inference_steps: int, substeps: int) -> torch.Tensor:
    """The teacher's timesteps within each student step, [N, substeps + 1]."""
    fine = torch.tensor([*trailing_timesteps(num_inference_steps * substeps), END])
    return torch.stack(
        [fine[i * substeps : (i + 1) * substeps + 1] for i in range(num_inference_steps)]
    )


def train_student(
    lesson: Lesson,
    student: UNet2DConditionModel | LowRank,
    teacher: UNet2DConditionModel,
    encoders: TextEncoders,
    buckets: list[LatentBucket],
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
) -> list[float]:
    """Trains a student to land where its teacher does; squared error in latents."""
    student.to(device).train()
    if isinstance(student, UNet2DConditionModel):
        for name, parameter in student.named_parameters():
            parameter.requires_grad_(fits_lora(name, parameter))
    teacher.to(device).eval().requires_grad_(False)
    encoders.freeze(device)
    paths = path_timesteps(lesson.num_inference_steps, lesson.substeps).to(device)
    guidance_scale = config.distill_guidance_scale if lesson.guided else 0.0

    def loss(generator: torch.Generator) -> torch.Tensor:
        batch = draw_batch(buckets, config.distill_batch, generator, device)
        given = condition(encoders, batch)
        size = len(batch.latents)
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        row = torch.randperm(size, generator=generator) % lesson.num_inference_steps
        times = list(paths[row.to(device)].unbind(1))
        x = add_noise(batch.latents, noise, times[0])
        # The first step starts from noise alone when the model is used.
        x = torch.where((row == 0).to(device)[:, None, None, None], noise, x)
        target = solve(teacher, x, times, given, guidance_scale)
        landed = ddim_step(x, predict(student, x, times[0], given), times[0], times[-1])
        return (landed - target).square().mean()

    key, lr = ("unet", config.distill_lr) if lesson.whole else ("lora", config.lora_lr)
    stage = Stage(lesson.name, {key: student}, loss, lr, config.distill_ema)
    return run_stage(stage, length, folder, config)


@dataclass(frozen=True)
class Target:
    """A batch of noises with the latents that the teacher makes of them."""

    noise: torch.Tensor
    latents: torch.Tensor
    batch: Batch


@torch.no_grad()
def cache_targets(
    teacher: UNet2DConditionModel,
    encoders: TextEncoders,
    buckets: list[LatentBucket],
    substeps: int,
    config: TrainingConfig,
    device: torch.device,
) -> list[Target]:
    """The teacher's pictures for fixed noises, computed once for the whole 1-step stage."""
    teacher.to(device).eval()
    encoders.freeze(device)
    targets = []
    for number in tqdm(range(config.cached_targets // config.distill_batch), desc="targets"):
        generator = step_generator(config.seed + 1, number)
        batch = draw_batch(buckets, config.distill_batch, generator, device)
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        given = condition(encoders, batch)
        targets.append(Target(noise, sample_latents(teacher, noise, given, substeps), batch))
    return targets


def train_one_step(
    student: UNet2DConditionModel,
    encoders: TextEncoders,
    targets: list[Target],
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
) -> list[float]:
    """Trains the student to paint the teacher's picture at once, in "sample" form."""
    student.to(device).train()

    def loss(generator: torch.Generator) -> torch.Tensor:
        target = targets[int(torch.randint(len(targets), (1,), generator=generator))]
        timesteps = torch.full((len(target.noise),), trailing_timesteps(1)[0], device=device)
        made = predict(student, target.noise, timesteps, condition(encoders, target.batch))
        return (made - target.latents).square().mean()

    stage = Stage(LESSONS[1].name, {"unet": student}, loss, config.one_step_lr, config.distill_ema)
    return run_stage(stage, length, folder, config)
