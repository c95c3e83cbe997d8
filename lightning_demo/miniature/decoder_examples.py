"""What the decoders of a run are shown: pictures, and latents that its encoder and students make.

What students make is kept in the run's folder, and made anew when the networks that make it, the
pictures, their captions or the settings have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTokenizer

from . import parallel
from .architecture import MiniatureComponents
from .config import TrainingConfig
from .dataset import Encode, caption_encoder
from .distill import STUDENTS
from .kept import digest, keep, numbers
from .pool import Bucket
from .repainted import ON_THE_WAY, Painted, encoded, on_the_way, repaint
from .stage_files import StageFiles
from .text import TextEncoders

T = TypeVar("T")


@dataclass(frozen=True)
class DecoderExamples:
    """Examples from a pool of pictures.

    Args:
        parts: the run's networks; the autoencoder must be loaded, the rest is loaded as needed.
        pool: pictures at twice the size.
    """

    stages: StageFiles
    parts: MiniatureComponents
    tokenizer: CLIPTokenizer
    pool: list[Bucket]
    config: TrainingConfig
    device: torch.device

    def repainted(self) -> list[Painted]:
        """The pool's pictures, with the encoder's latents and those of the students there are."""
        students = self._students()

        def make() -> list[torch.Tensor]:
            encode = self._caption_encoder() if students else None
            painted = encoded(self.parts.vae, self.pool, self.device)
            if encode is not None:
                seed = self.config.seed
                painted = repaint(painted, self.pool, students, encode, seed, self.device)
            return [each.latents for each in painted]

        names = [STUDENTS[steps].name for steps in students]
        latents = self._keep(
            "repainted", ["autoencoder", *(["text", *names] if names else [])], make
        )
        return [
            Painted(bucket.pictures, some) for bucket, some in zip(self.pool, latents, strict=True)
        ]

    def previewed(self) -> list[Painted]:
        """A student's pictures, with its estimates on the way; without it the pool's."""
        student = self._students().get(ON_THE_WAY)
        if student is None:
            return encoded(self.parts.vae, self.pool, self.device)

        def make() -> list[tuple[torch.Tensor, torch.Tensor]]:
            decoder = self.parts.vae.decoder
            self.stages.load("decoder", {"decoder": decoder})
            made = on_the_way(
                self.pool, student, decoder, self._caption_encoder(), self.config, self.device
            )
            return [(torch.from_numpy(each.pictures), each.latents) for each in made]

        saved = self._keep("previewed", ["text", "decoder", STUDENTS[ON_THE_WAY].name], make)
        return [Painted(pictures.numpy(), latents) for pictures, latents in saved]

    def _students(self) -> dict[int, UNet2DConditionModel]:
        """The students that are there, by step count, except the 1-step one."""
        return {
            steps: self.stages.load_unet(plan.name, self.parts.unet)
            for steps, plan in STUDENTS.items()
            if steps > 1 and self.stages.has(plan.name)
        }

    def _caption_encoder(self) -> Encode:
        encoders = TextEncoders(self.parts.text_encoder, self.parts.text_encoder_2)
        self.stages.load("text", encoders.modules)
        return caption_encoder(encoders, self.tokenizer, self.device)

    def _keep(self, name: str, made_by: list[str], make: Callable[[], list[T]]) -> list[T]:
        """What those stages make of the pool, computed once for all processes.

        Raises:
            SystemExit: one of the stages is not there.
        """
        files = [self.stages.file(stage) for stage in made_by]

        def made_of() -> Iterator[bytes | memoryview]:
            yield repr((self.config.seed, self.config.preview_pictures)).encode()
            for file in files:
                yield file.read_bytes()
            for bucket in self.pool:
                yield numbers(bucket.pictures)
                yield "\0".join(each.text for row in bucket.captions for each in row).encode()

        with parallel.first_alone():
            return keep(self.stages.folder / f"{name}.pt", digest(made_of()), make)
