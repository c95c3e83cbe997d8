"""One training run in one folder: which stages are done, and what the next one starts from."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from . import parallel
from .architecture import MiniatureComponents, build_components, build_tokenizer
from .autoencoder import psnr, train_autoencoder
from .classifier import Classifier, judge_accuracy, save_classifier, train_classifier
from .config import BUDGET_SHARES, LrPlan, TrainingConfig
from .dataset import Dataset, build_dataset
from .decoder_examples import DecoderExamples
from .decoders import train_decoder
from .distill import STUDENTS, StudentPlan, train_one_step, train_student
from .evaluate import CLASSIFIER
from .export import export_model
from .lora import LowRank, lora_tensors
from .picture import draw_scene
from .pool import Bucket, open_pool, render_pool
from .stage_files import StageFiles, load_stage
from .targets import Targets
from .teacher import train_teacher
from .text import MeaningHeads, TextEncoders, meaning_accuracy, pretrain_text
from .training import Length
from .world import PAINTED, sample_scene

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
        self.stages = StageFiles(folder)
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
            if not self.stages.is_finished("autoencoder"):
                pool = self.render(sharp=True)
                train_autoencoder(
                    self.parts.vae, pool, length, self.folder, self.config, self.device
                )
        elif stage == "preview":
            self._decoder("preview", self.parts.preview.decoder, self.config.preview_lr, length)
        elif stage == "decoder":
            self._decoder("decoder", self.parts.vae.decoder, self.config.decoder_lr, length)
        elif stage == "text":
            if not self.stages.is_finished("text"):
                pretrain_text(
                    self.encoders, self.tokenizer, length, self.folder, self.config, self.device
                )
            heads = MeaningHeads()
            self.stages.load("text", {**self.encoders.modules, "heads": heads})
            print("meaning of two-thing captions:", _rounded(self._meaning(heads)))
        elif stage == "classifier":
            if not self.stages.is_finished("classifier"):
                square = self.render()[0]
                train_classifier(square, length, self.folder, self.config, self.device)
            judge = Classifier()
            self.stages.load("classifier", {"classifier": judge})
            print(
                "held-out renders told right:",
                _rounded(judge_accuracy(judge.eval(), self.config.fresh_pictures)),
            )
        else:
            dataset = self._dataset
            if not self.stages.is_finished("teacher"):
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
        if self._is_done(plan):
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
            self.stages.digest(*plan.sources),
        )

    def _one_step(self, plan: StudentPlan, length: Length) -> None:
        if self._is_done(plan):
            return
        goes_on = self._goes_on(plan)
        config = self.config.going_on() if goes_on else self.config
        teacher = self._unet(plan.teacher)
        size, seed = config.distill_batch, config.seed + 1
        targets = Targets(teacher, plan.substeps, self._dataset, size, seed, self.device)
        student, judge = self._unet(plan.name if goes_on else plan.start), self._unet("teacher")
        made_of = self.stages.digest(*plan.sources)
        train_one_step(student, judge, targets, length, self.folder, config, self.device, made_of)

    def _is_done(self, plan: StudentPlan) -> bool:
        """Whether the plan's stage is finished, a LoRA of the very weights that there are now.

        A whole student of others stays: to train it anew takes long.
        """
        if not self.stages.is_finished(plan.name):
            return False
        same = self.stages.is_made_of(plan.name, *plan.sources)
        if plan.whole and not same:
            print(f"{plan.name} stays as it is, though {plan.teacher} is another now")
        return plan.whole or same

    def _goes_on(self, plan: StudentPlan) -> bool:
        """Whether there are weights that this plan's student goes on from."""
        return plan.whole and self.stages.has_start(plan.name)

    def export(self, folder: Path) -> None:
        """Writes all that is done so far."""
        self.stages.load("autoencoder", {"vae": self.parts.vae})
        self.stages.load("decoder", {"decoder": self.parts.vae.decoder})
        self.stages.load("preview", {"decoder": self.parts.preview.decoder})
        self._load_teacher()
        loras = {}
        for steps, plan in STUDENTS.items():
            lora = plan.as_lora()
            if self._is_done(lora):
                saved = torch.load(self.stages.file(lora.name), weights_only=True)["modules"]
                loras[steps] = LowRank.tensors(saved["lora"])
            elif self.stages.is_finished(lora.name):
                print(f"{lora.name} is left out, as {lora.teacher} or the teacher is another now")
        judge = Classifier()
        if load_stage(self.folder, "classifier", {"classifier": judge}):
            save_classifier(judge, folder / CLASSIFIER)
        one_step = STUDENTS[1].name
        finished = self.stages.is_finished(one_step)
        export_model(folder, self.parts, loras, self._unet(one_step) if finished else None)

    def _decoder(self, name: str, decoder: torch.nn.Module, lr: LrPlan, length: Length) -> None:
        self.stages.load("autoencoder", {"vae": self.parts.vae})
        if self.stages.is_finished(name):
            return
        full = decoder is self.parts.vae.decoder
        pool = self.render(sharp=True)
        examples = DecoderExamples(
            self.stages, self.parts, self.tokenizer, pool, self.config, self.device
        )
        painted = examples.repainted() if full else examples.previewed()
        shared = (length, self.folder, self.config, self.device)
        train_decoder(name, decoder, lr, painted, *shared, critic=full)
        print(f"{name}: {self._psnr(decoder):.2f} dB of fresh renders")

    def _psnr(self, decoder: torch.nn.Module) -> float:
        seeds = range(self.config.fresh_pictures)
        fresh = [draw_scene(sample_scene(seed), *PAINTED[0]) for seed in seeds]
        pictures = np.stack([np.asarray(picture) for picture in fresh])
        vae = self.parts.vae.to(self.device)
        return psnr(vae.eval(), decoder.to(self.device).eval(), pictures, self.device)

    @cached_property
    def _dataset(self) -> Dataset:
        self.stages.load("autoencoder", {"vae": self.parts.vae})
        self.stages.load("text", self.encoders.modules)
        pool = self.render()
        with parallel.first_alone():
            return build_dataset(
                self.parts.vae, self.encoders, self.tokenizer, pool, self.folder, self.device
            )

    def _load_teacher(self) -> None:
        self.stages.load("text", self.encoders.modules)
        self.stages.load("teacher", {"unet": self.parts.unet})

    def _unet(self, stage: str) -> UNet2DConditionModel:
        return self.stages.load_unet(stage, self.parts.unet)

    def _meaning(self, heads: MeaningHeads) -> dict[str, float]:
        for module in (*self.encoders.modules.values(), heads):
            module.cpu().eval()
        count = self.config.fresh_captions
        return meaning_accuracy(self.encoders, heads, self.tokenizer, count)


def whole_students(folder: Path) -> dict[str, UNet2DConditionModel]:
    """The students of a run before they became LoRAs, by step count."""
    stages = StageFiles(folder)
    like = build_components(len(build_tokenizer(folder / "tokenizer"))).unet
    return {
        str(steps): stages.load_unet(plan.name, like)
        for steps, plan in STUDENTS.items()
        if steps > 1 and stages.is_finished(plan.name)
    }


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in scores.items()}
