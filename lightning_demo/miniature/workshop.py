"""One training run in one folder: which stages are done, and what the next one starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from .architecture import MiniatureComponents, build_components, build_tokenizer
from .autoencoder import psnr, train_autoencoder, train_decoder
from .config import BUDGET_SHARES, LrPlan, TrainingConfig
from .distill import LESSONS, Lesson, cache_targets, train_one_step, train_student
from .export import export_model
from .lora import LowRank, lora_tensors
from .pool import Bucket, open_pool, render_pool
from .teacher import LatentBucket, cache_latents, train_teacher
from .text import MeaningHeads, TextEncoders, meaning_accuracy, pretrain_text
from .training import Length, load_stage
from .world import BUCKETS, draw_scene, sample_scene

LORA_SHARE = 0.35  # of the minutes of a step count that has a whole student first
FRESH = 256  # pictures outside the pool, that measure the autoencoder


class Workshop:
    """Trains stages in a folder; a stage that is done is loaded instead of trained again."""

    def __init__(
        self, folder: Path, device: str = "cpu", config: TrainingConfig | None = None
    ) -> None:
        self.folder = folder
        self.config = config or TrainingConfig()
        self.device = torch.device(device)
        torch.set_num_threads(self.config.threads)
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer = build_tokenizer(folder / "tokenizer")
        self.parts: MiniatureComponents = build_components(len(self.tokenizer), self.config.seed)
        self.encoders = TextEncoders(self.parts.text_encoder, self.parts.text_encoder_2)

    def render(self) -> list[Bucket]:
        """The training pictures, drawn if they are not there."""
        render_pool(self.folder / "pool", self.config)
        return open_pool(self.folder / "pool")

    def train_all(self, minutes: float) -> None:
        """Every stage that is not done, each with its share of the minutes."""
        self.train("autoencoder", minutes * BUDGET_SHARES["autoencoder"])
        self.train("text", minutes * BUDGET_SHARES["text"])
        self.train("teacher", minutes * BUDGET_SHARES["teacher"])
        for steps, lesson in LESSONS.items():
            self.distill(steps, minutes * BUDGET_SHARES[lesson.name])
        self.train("decoder", minutes * BUDGET_SHARES["decoder"])

    def train(self, stage: str, minutes: float) -> None:
        """One stage that is no distillation; those it needs must be done."""
        length = Length(minutes=minutes)
        if stage == "autoencoder":
            self._autoencoder(length)
        elif stage == "text":
            if not (self.folder / "text.pt").exists():
                pretrain_text(
                    self.encoders, self.tokenizer, length, self.folder, self.config, self.device
                )
            heads = MeaningHeads()
            self._need("text", {**self.encoders.modules, "heads": heads})
            print("meaning of two-thing captions:", _rounded(self._meaning(heads)))
        elif stage == "decoder":
            self._need("autoencoder", {"vae": self.parts.vae})
            if not (self.folder / "decoder.pt").exists():
                self._decoder("decoder", self.parts.vae.decoder, self.config.decoder_lr, length)
        else:
            latents = self._latents()
            if not (self.folder / "teacher.pt").exists():
                self._need("text", self.encoders.modules)
                train_teacher(
                    self.parts.unet,
                    self.encoders,
                    self.tokenizer,
                    latents,
                    length,
                    self.folder,
                    self.config,
                    self.device,
                )

    def distill(self, num_inference_steps: int, minutes: float) -> None:
        """One step count; its teacher must be done."""
        lesson = LESSONS[num_inference_steps]
        self._load_teacher()
        if num_inference_steps == 1:
            self._one_step(lesson, Length(minutes=minutes))
            return
        if lesson.whole:
            self._student(lesson, Length(minutes=minutes * (1 - LORA_SHARE)))
            minutes *= LORA_SHARE
        self._student(lesson.as_lora(), Length(minutes=minutes))

    def _student(self, lesson: Lesson, length: Length) -> None:
        if (self.folder / f"{lesson.name}.pt").exists():
            return
        student: UNet2DConditionModel | LowRank = self._unet(lesson.start)
        if not lesson.whole:
            # The LoRA is added to the base as it is in its file.
            base = {k: v.half().float() for k, v in self.parts.unet.state_dict().items()}
            values = dict(self.config.lora_values)[lesson.num_inference_steps]
            lora = lora_tensors(base, student.state_dict(), values)
            student.load_state_dict(base)
            student = LowRank(student.to(self.device), lora)
        train_student(
            lesson,
            student,
            self._unet(lesson.teacher),
            self.encoders,
            self._latents(),
            length,
            self.folder,
            self.config,
            self.device,
        )

    def _one_step(self, lesson: Lesson, length: Length) -> None:
        if (self.folder / f"{lesson.name}.pt").exists():
            return
        shared = (self.config, self.device)
        targets = cache_targets(
            self._unet(lesson.teacher), self.encoders, self._latents(), lesson.substeps, *shared
        )
        student = self._unet(lesson.start)
        train_one_step(student, self.encoders, targets, length, self.folder, *shared)

    def export(self, folder: Path) -> None:
        """Writes all that is done so far."""
        self._need("autoencoder", {"vae": self.parts.vae})
        load_stage(self.folder, "decoder", {"decoder": self.parts.vae.decoder})
        self._need("preview", {"decoder": self.parts.preview.decoder})
        self._load_teacher()
        loras = {}
        for steps, lesson in LESSONS.items():
            path = self.folder / f"{lesson.as_lora().name}.pt"
            if path.exists():
                loras[steps] = LowRank.tensors(
                    torch.load(path, weights_only=True)["modules"]["lora"]
                )
        has_one_step = (self.folder / f"{LESSONS[1].name}.pt").exists()
        export_model(
            folder, self.parts, loras, self._unet(LESSONS[1].name) if has_one_step else None
        )

    def _autoencoder(self, length: Length) -> None:
        buckets = self.render()
        vae, preview = self.parts.vae, self.parts.preview
        if not load_stage(self.folder, "autoencoder", {"vae": vae}):
            train_autoencoder(vae, buckets, length, self.folder, self.config, self.device)
        if not load_stage(self.folder, "preview", {"decoder": preview.decoder}):
            share = BUDGET_SHARES["preview"] / BUDGET_SHARES["autoencoder"]
            shorter = Length(minutes=length.minutes * share)
            self._decoder("preview", preview.decoder, self.config.preview_lr, shorter)

    def _decoder(self, name: str, decoder: torch.nn.Module, lr: LrPlan, length: Length) -> None:
        before = self._psnr(decoder)
        shared = (self.render(), length, self.folder, self.config, self.device)
        train_decoder(name, decoder, lr, self.parts.vae, *shared)
        print(f"{name}: {before:.2f} -> {self._psnr(decoder):.2f} dB")

    def _psnr(self, decoder: torch.nn.Module) -> float:
        fresh = [draw_scene(sample_scene(seed), *BUCKETS[0]) for seed in range(FRESH)]
        pictures = np.stack([np.asarray(picture) for picture in fresh])
        vae = self.parts.vae.to(self.device)
        return psnr(vae.eval(), decoder.to(self.device).eval(), pictures, self.device)

    def _latents(self) -> list[LatentBucket]:
        self._need("autoencoder", {"vae": self.parts.vae})
        return cache_latents(
            self.parts.vae, self.tokenizer, self.render(), self.folder, self.device
        )

    def _load_teacher(self) -> None:
        self._need("text", self.encoders.modules)
        self._need("teacher", {"unet": self.parts.unet})

    def _unet(self, stage: str) -> UNet2DConditionModel:
        unet = UNet2DConditionModel.from_config(self.parts.unet.config)
        self._need(stage, {"unet": unet})
        return unet

    def _need(self, stage: str, modules: dict[str, torch.nn.Module]) -> None:
        if not load_stage(self.folder, stage, modules):
            raise SystemExit(f"the stage {stage!r} must be trained first (in {self.folder})")

    def _meaning(self, heads: MeaningHeads) -> dict[str, float]:
        for module in (*self.encoders.modules.values(), heads):
            module.cpu().eval()
        return meaning_accuracy(self.encoders, heads, self.tokenizer)


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in scores.items()}
