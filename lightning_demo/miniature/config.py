"""Every number of the training in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LrPlan:
    """A learning-rate schedule over the progress 0..1 of a stage: warm-up, constant, cosine."""

    peak: float
    warm_up_steps: int = 100
    constant_until: float = 0.3
    final: float = 0.03  # of the peak


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Sizes, rates and seeds. Times are shares of the budget, so one number scales the run."""

    seed: int = 20240
    threads: int = 1  # two in one process wait for each other: slower, unless nothing else runs
    pictures: int = 30_000
    captions_per_picture: int = 6
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0
    checkpoint_seconds: float = 60.0

    autoencoder_batch: int = 24  # crops of 64x64 px
    autoencoder_lr: LrPlan = LrPlan(2e-3, constant_until=0.2)
    preview_lr: LrPlan = LrPlan(3e-3, warm_up_steps=30, constant_until=0.2)
    decoder_lr: LrPlan = LrPlan(8e-4, warm_up_steps=30, constant_until=0.2)
    latent_noise: float = 0.08  # std, added between encoder and decoder

    text_batch: int = 128
    text_lr: LrPlan = LrPlan(1e-3)

    teacher_batch: int = 64
    teacher_lr: LrPlan = LrPlan(1e-3, constant_until=0.45)
    teacher_ema: float = 0.999
    text_drop: float = 0.1
    min_snr_gamma: float = 5.0

    distill_batch: int = 48
    distill_ema: float = 0.995
    distill_guidance_scale: float = 3.0
    distill_lr: LrPlan = LrPlan(5e-4, warm_up_steps=20, constant_until=0.3)
    lora_lr: LrPlan = LrPlan(4e-4, warm_up_steps=10, constant_until=0.3)
    # Numbers in each LoRA: what is left of 31 MB beside the base and the whole 1-step UNet.
    lora_values: tuple[tuple[int, int], ...] = ((4, 700_000), (2, 420_000), (8, 220_000))
    one_step_lr: LrPlan = LrPlan(8e-4, warm_up_steps=50, constant_until=0.4)
    cached_targets: int = 4_000


# Shares of the whole budget. The 4-step student comes before all others.
BUDGET_SHARES: dict[str, float] = {
    "autoencoder": 0.14,
    "preview": 0.03,
    "text": 0.05,
    "teacher": 0.45,
    "student-4": 0.08,
    "student-2": 0.05,
    "lora-8": 0.05,
    "student-1": 0.1,
    "decoder": 0.05,
}
