"""Every number of the training in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
    threads: int = 2  # of the CPU; more wait for each other longer than they work
    pictures: int = 72_000
    sharp_pictures: int = 6_000  # at twice the size, for the autoencoder and the decoder
    captions_per_picture: int = 4
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0
    checkpoint_seconds: float = 60.0
    fresh_pictures: int = 256  # outside the pool, that measure a finished stage
    fresh_captions: int = 400  # the same, of the text encoders

    autoencoder_batch: int = 16  # crops of 128x128 px, encoded at half that
    autoencoder_lr: LrPlan = LrPlan(2e-3, constant_until=0.2)
    preview_lr: LrPlan = LrPlan(3e-3, warm_up_steps=30, constant_until=0.2)
    preview_pictures: int = 3_000  # painted by a student, that previews are to look like
    decoder_batch: int = 16  # parts of pictures, and
    decoder_side: int = 128  # px of each
    decoder_lr: LrPlan = LrPlan(1e-3, constant_until=0.4)
    patch_weight: float = 0.02  # of the critic of patches, in the last training of the decoder
    patch_from: float = 0.15  # progress of the stage at which it begins
    latent_noise: float = 0.02  # std, added between encoder and decoder

    text_batch: int = 128
    text_lr: LrPlan = LrPlan(1e-3)

    classifier_batch: int = 96
    held_out_renders: int = 4_000  # of each kind, that only the classifier learns from
    classifier_lr: LrPlan = LrPlan(2e-3, constant_until=0.3)

    teacher_batch: int = 32
    teacher_lr: LrPlan = LrPlan(1e-3, constant_until=0.5)
    teacher_ema: float = 0.999
    text_drop: float = 0.1

    distill_batch: int = 24
    distill_ema: float = 0.995
    distill_guidance_scale: float = 2.0
    distill_lr: LrPlan = LrPlan(5e-4, warm_up_steps=20, constant_until=0.3)
    lora_lr: LrPlan = LrPlan(4e-4, warm_up_steps=10, constant_until=0.3)
    # Numbers in each LoRA: what is left of 40 MB beside the base and the whole 1-step UNet.
    lora_values: tuple[tuple[int, int], ...] = ((8, 800_000), (4, 1_000_000), (2, 1_000_000))
    one_step_lr: LrPlan = LrPlan(8e-4, warm_up_steps=50, constant_until=0.4)

    # The squared error to the teacher's landing stays beside the adversarial loss: the paper can
    # leave it out because it trains for days.
    adversarial_weight: float = 0.1  # 0: no discriminator at all
    adversarial_from: float = 0.55  # progress of a student's stage at which it begins
    relaxed_from: float = 0.85
    discriminator_lr: float = 2e-4
    going_on_lr: LrPlan = LrPlan(3e-4, constant_until=0.4)

    def going_on(self) -> TrainingConfig:
        """The same, for students that go on from those of a release: at a lower rate."""
        return replace(self, distill_lr=self.going_on_lr, one_step_lr=self.going_on_lr)


# Shares of the whole budget.
BUDGET_SHARES: dict[str, float] = {
    "autoencoder": 0.16,
    "text": 0.06,
    "teacher": 0.4,
    "student-8": 0.05,
    "student-4": 0.07,
    "student-2": 0.06,
    "student-1": 0.07,
    "decoder": 0.07,
    "preview": 0.03,
    "classifier": 0.03,
}
