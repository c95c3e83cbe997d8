"""One training run in one folder: which stages are done, and what the next one starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from . import parallel
from .architecture import MiniatureComponents, build_components, build_tokenizer
from .autoencoder import psnr, train_autoencoder
from .classifier import Classifier, judge_accuracy, save_classifier, train_classifier
from .config import BUDGET_SHARES, LrPlan, TrainingConfig
from .dataset import Dataset, build_dataset, caption_encoder
from .decoders import train_decoder
from .distill import (
    STUDENTS,
    StudentPlan,
    start_of,
    train_one_step,
    train_student,
)
from .evaluate import CLASSIFIER
from .export import export_model
from .kept import digest, keep
from .lora import LowRank, lora_tensors
from .picture import draw_scene
from .pool import Bucket, open_pool, render_pool
from .repainted import ON_THE_WAY, Painted, encoded, on_the_way, repaint
from .targets import Targets
from .teacher import train_teacher
from .text import MeaningHeads, TextEncoders, meaning_accuracy, pretrain_text
from .training import Length, load_stage
from .world import PAINTED, sample_scene

T = TypeVar("T")
LORA_SHARE = 0.25  # of the minutes of a step count


class TrainingRun:
    """Trains stages in a folder; a stage that is done is loaded instead of trained again."""

    def __init__(
        self, folder: Path, device: str = "cpu", config: TrainingConfig | None = None
    ) -> None:
        self.folder = folder
        self.config = config or TrainingConfig()
        self.device = torch.device(device)
        torch.set_num_threads(self.config.threads)
        parallel.join()
        folder.mkdir(parents=True, exist_ok=True)
        with parallel.first_alone():
            self.tokenizer = build_tokenizer(folder / "tokenizer")
        self.parts: MiniatureComponents = build_components(len(self.tokenizer), self.config.seed)
        self.encoders = TextEncoders(self.parts.text_encoder, self.parts.text_encoder_2)

    def render(self, *, sharp: bool = False) -> list[Bucket]:
        """The training pictures, or those at twice the size, drawn if they are not there."""
        folder = self.folder / ("pool-sharp" if sharp else "pool")
        with parallel.first_alone():
            render_pool(folder, self.config, sharp=sharp)
        return open_pool(folder, sharp=sharp)

    def train_all(self, minutes: float) -> None:
        """Every stage that is not done, each with its share of the minutes."""
        self.train("autoencoder", minutes * BUDGET_SHARES["autoencoder"])
        self.train("text", minutes * BUDGET_SHARES["text"])
        self.train("teacher", minutes * BUDGET_SHARES["teacher"])
        for steps, plan in STUDENTS.items():
            self.distill(steps, minutes * BUDGET_SHARES[plan.name])
        self.train("decoder", minutes * BUDGET_SHARES["decoder"])
        self.train("preview", minutes * BUDGET_SHARES["preview"])
        self.train("classifier", minutes * BUDGET_SHARES["classifier"])

    def train(self, stage: str, minutes: float) -> None:
        """One stage that is no distillation; those it needs must be done."""
        length = Length(minutes=minutes)
        if stage == "autoencoder":
            if not (self.folder / "autoencoder.pt").exists():
                pool = self.render(sharp=True)
                train_autoencoder(
                    self.parts.vae, pool, length, self.folder, self.config, self.device
                )
        elif stage == "preview":
            self._decoder("preview", self.parts.preview.decoder, self.config.preview_lr, length)
        elif stage == "decoder":
            self._decoder("decoder", self.parts.vae.decoder, self.config.decoder_lr, length)
        elif stage == "text":
            if not (self.folder / "text.pt").exists():
                pretrain_text(
                    self.encoders, self.tokenizer, length, self.folder, self.config, self.device
                )
            heads = MeaningHeads()
            self._need("text", {**self.encoders.modules, "heads": heads})
            print("meaning of two-thing captions:", _rounded(self._meaning(heads)))
        elif stage == "classifier":
            if not (self.folder / "classifier.pt").exists():
                square = self.render()[0]
                train_classifier(square, length, self.folder, self.config, self.device)
            judge = Classifier()
            self._need("classifier", {"classifier": judge})
            print(
                "held-out renders told right:",
                _rounded(judge_accuracy(judge.eval(), self.config.fresh_pictures)),
            )
        else:
            dataset = self._dataset
            if not (self.folder / "teacher.pt").exists():
                shared = (length, self.folder, self.config, self.device)
                train_teacher(self.parts.unet, dataset, *shared)

    def distill(self, num_inference_steps: int, minutes: float) -> None:
        """One step count; its teacher must be done."""
        plan = STUDENTS[num_inference_steps]
        self._load_teacher()
        if num_inference_steps == 1:
            self._one_step(plan, Length(minutes=minutes))
            return
        self._student(plan, Length(minutes=minutes * (1 - LORA_SHARE)))
        self._student(plan.as_lora(), Length(minutes=minutes * LORA_SHARE))

    def _student(self, plan: StudentPlan, length: Length) -> None:
        if (self.folder / f"{plan.name}.pt").exists():
            return
        goes_on = self._goes_on(plan)
        student: UNet2DConditionModel | LowRank = self._unet(plan.name if goes_on else plan.start)
        if not plan.whole:
            # The LoRA is added to the base as it is in its file.
            base = {k: v.half().float() for k, v in self.parts.unet.state_dict().items()}
            values = dict(self.config.lora_values)[plan.num_inference_steps]
            lora = lora_tensors(base, student.state_dict(), values)
            student.load_state_dict(base)
            student = LowRank(student.to(self.device), lora)
        train_student(
            plan,
            student,
            self._unet(plan.teacher),
            self._unet("teacher"),
            self._dataset,
            length,
            self.folder,
            self.config.going_on() if goes_on else self.config,
            self.device,
        )

    def _one_step(self, plan: StudentPlan, length: Length) -> None:
        if (self.folder / f"{plan.name}.pt").exists():
            return
        goes_on = self._goes_on(plan)
        config = self.config.going_on() if goes_on else self.config
        teacher = self._unet(plan.teacher)
        size, seed = config.distill_batch, config.seed + 1
        targets = Targets(teacher, plan.substeps, self._dataset, size, seed, self.device)
        student, judge = self._unet(plan.name if goes_on else plan.start), self._unet("teacher")
        train_one_step(student, judge, targets, length, self.folder, config, self.device)

    def _goes_on(self, plan: StudentPlan) -> bool:
        """Whether a release's student of this plan is there to begin with."""
        return plan.whole and (self.folder / f"{start_of(plan.name)}.pt").exists()

    def export(self, folder: Path) -> None:
        """Writes all that is done so far."""
        self._need("autoencoder", {"vae": self.parts.vae})
        self._need("decoder", {"decoder": self.parts.vae.decoder})
        self._need("preview", {"decoder": self.parts.preview.decoder})
        self._load_teacher()
        loras = {}
        for steps, plan in STUDENTS.items():
            path = self.folder / f"{plan.as_lora().name}.pt"
            if path.exists():
                loras[steps] = LowRank.tensors(
                    torch.load(path, weights_only=True)["modules"]["lora"]
                )
        judge = Classifier()
        if load_stage(self.folder, "classifier", {"classifier": judge}):
            save_classifier(judge, folder / CLASSIFIER)
        has_one_step = (self.folder / f"{STUDENTS[1].name}.pt").exists()
        export_model(
            folder, self.parts, loras, self._unet(STUDENTS[1].name) if has_one_step else None
        )

    def _decoder(self, name: str, decoder: torch.nn.Module, lr: LrPlan, length: Length) -> None:
        self._need("autoencoder", {"vae": self.parts.vae})
        if (self.folder / f"{name}.pt").exists():
            return
        before = self._psnr(decoder)
        full = decoder is self.parts.vae.decoder
        pool = self.render(sharp=True)
        painted = self._repainted(pool) if full else self._previewed(pool)
        shared = (length, self.folder, self.config, self.device)
        train_decoder(name, decoder, lr, painted, *shared, critic=full)
        print(f"{name}: {before:.2f} -> {self._psnr(decoder):.2f} dB")

    def _repainted(self, pool: list[Bucket]) -> list[Painted]:
        """The pool's pictures, with the encoder's latents and those of the students there are."""
        students = self._whole_students()

        def make() -> list[torch.Tensor]:
            if students:
                self._need("text", self.encoders.modules)
            encode = caption_encoder(self.encoders, self.tokenizer, self.device)
            painted = encoded(self.parts.vae, pool, self.device)
            made = repaint(painted, pool, students, encode, self.config.seed, self.device)
            return [each.latents for each in made]

        names = [STUDENTS[steps].name for steps in students]
        stages = ["autoencoder", *(["text", *names] if names else [])]
        latents = self._keep("repainted", stages, pool, make)
        return [Painted(bucket.pictures, some) for bucket, some in zip(pool, latents, strict=True)]

    def _previewed(self, pool: list[Bucket]) -> list[Painted]:
        """A student's pictures, with its estimates on the way; without it the pool's."""
        student = self._whole_students().get(ON_THE_WAY)
        if student is None:
            return encoded(self.parts.vae, pool, self.device)

        def make() -> list[tuple[torch.Tensor, torch.Tensor]]:
            self._need("text", self.encoders.modules)
            self._need("decoder", {"decoder": self.parts.vae.decoder})
            encode = caption_encoder(self.encoders, self.tokenizer, self.device)
            decoder = self.parts.vae.decoder
            made = on_the_way(pool, student, decoder, encode, self.config, self.device)
            return [(torch.from_numpy(each.pictures), each.latents) for each in made]

        stages = ["text", "decoder", STUDENTS[ON_THE_WAY].name]
        saved = self._keep("previewed", stages, pool, make)
        return [Painted(pictures.numpy(), latents) for pictures, latents in saved]

    def _keep(
        self, name: str, stages: list[str], pool: list[Bucket], make: Callable[[], list[T]]
    ) -> list[T]:
        """What those stages make of the pool, computed once for all processes.

        Raises:
            SystemExit: one of the stages is not finished.
        """
        for stage in stages:
            if not self._has(stage):
                raise self._missing(stage)

        def parts() -> Iterator[bytes | memoryview]:
            yield repr((self.config.seed, self.config.preview_pictures)).encode()
            for stage in stages:
                yield self._file(stage).read_bytes()
            for bucket in pool:
                yield np.ascontiguousarray(bucket.pictures).reshape(-1).data
                yield "\0".join(each.text for row in bucket.captions for each in row).encode()

        with parallel.first_alone():
            return keep(self.folder / f"{name}.pt", digest(parts()), make)

    def _whole_students(self) -> dict[int, UNet2DConditionModel]:
        """Those that are finished, or as an adopted release left them, but that of one step."""
        return {
            steps: self._unet(plan.name)
            for steps, plan in STUDENTS.items()
            if steps > 1 and self._has(plan.name)
        }

    def _psnr(self, decoder: torch.nn.Module) -> float:
        seeds = range(self.config.fresh_pictures)
        fresh = [draw_scene(sample_scene(seed), *PAINTED[0]) for seed in seeds]
        pictures = np.stack([np.asarray(picture) for picture in fresh])
        vae = self.parts.vae.to(self.device)
        return psnr(vae.eval(), decoder.to(self.device).eval(), pictures, self.device)

    @cached_property
    def _dataset(self) -> Dataset:
        self._need("autoencoder", {"vae": self.parts.vae})
        self._need("text", self.encoders.modules)
        pool = self.render()
        with parallel.first_alone():
            return build_dataset(
                self.parts.vae, self.encoders, self.tokenizer, pool, self.folder, self.device
            )

    def _load_teacher(self) -> None:
        self._need("text", self.encoders.modules)
        self._need("teacher", {"unet": self.parts.unet})

    def _unet(self, stage: str) -> UNet2DConditionModel:
        """The UNet of a finished stage, or as an adopted release left it."""
        unet = UNet2DConditionModel.from_config(self.parts.unet.config)
        if not any(
            load_stage(self.folder, name, {"unet": unet}) for name in (stage, start_of(stage))
        ):
            self._need(stage, {"unet": unet})
        return unet

    def _has(self, stage: str) -> bool:
        """Whether a stage is finished, or as an adopted release left it."""
        return self._file(stage).exists()

    def _file(self, stage: str) -> Path:
        """The weights of a finished stage, or as an adopted release left it."""
        finished, start = (self.folder / f"{name}.pt" for name in (stage, start_of(stage)))
        return start if start.exists() and not finished.exists() else finished

    def _need(self, stage: str, modules: dict[str, torch.nn.Module]) -> None:
        if not load_stage(self.folder, stage, modules):
            raise self._missing(stage)

    def _missing(self, stage: str) -> SystemExit:
        return SystemExit(f"the stage {stage!r} must be trained first (in {self.folder})")

    def _meaning(self, heads: MeaningHeads) -> dict[str, float]:
        for module in (*self.encoders.modules.values(), heads):
            module.cpu().eval()
        count = self.config.fresh_captions
        return meaning_accuracy(self.encoders, heads, self.tokenizer, count)


def whole_students(folder: Path) -> dict[str, UNet2DConditionModel]:
    """The students of a run before they became LoRAs, by step count."""
    students = {}
    for steps in STUDENTS:
        unet = build_components(len(build_tokenizer(folder / "tokenizer"))).unet
        if steps > 1 and load_stage(folder, f"student-{steps}", {"unet": unet}):
            students[str(steps)] = unet
    return students


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in scores.items()}
