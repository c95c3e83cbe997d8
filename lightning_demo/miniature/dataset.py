"""What the denoisers train on: the latents of the pool and what its captions say.

Latents are computed once and kept in the run folder. Captions are encoded with each batch: that is
a tenth of a training step, where the states of all would be gigabytes and a long wait at the start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn
from transformers import CLIPTokenizer

from .autoencoder import encode_pool
from .diffusion import Conditioning, make_time_ids
from .pool import Bucket
from .precision import autocast
from .text import TextEncoders, tokenize

T = TypeVar("T")
Encode = Callable[[list[str]], tuple[torch.Tensor, torch.Tensor]]
# Pixels per latent that the size conditioning speaks of. They are the same pictures: a sharper
# decoder paints them at twice the size, and size conditioning must not tell the difference.
GRAINS = (8, 16)


@dataclass(frozen=True)
class LatentBucket:
    """The latents of one size and which captions describe them."""

    latents: torch.Tensor  # [N, 4, h, w]
    captions: list[list[str]]  # [N][captions per picture]


@dataclass(frozen=True)
class Batch:
    """Latents of one size, each with one of its captions."""

    latents: torch.Tensor  # [B, 4, h, w]
    given: Conditioning


@dataclass(frozen=True)
class Dataset:
    """All buckets, and what turns B texts into states [B, 32, 224] and projections [B, 128]."""

    buckets: list[LatentBucket]
    encode: Encode

    def draw(
        self,
        size: int,
        generator: torch.Generator,
        device: torch.device,
        *,
        empty_share: float = 0.0,
        crop_share: float = 0.0,
    ) -> Batch:
        """A batch of one picture size, sizes as often as they are in the pool.

        Args:
            empty_share: of the captions are replaced by "".
            crop_share: of the batches that are not square become square cut-outs, and say so in
                their time ids as SDXL's do (arXiv 2307.01952, section 2.2).
        """
        counts = torch.tensor([float(len(b.latents)) for b in self.buckets])
        bucket = self.buckets[int(torch.multinomial(counts, 1, generator=generator))]
        rows = torch.randint(len(bucket.latents), (size,), generator=generator)
        which = torch.rand(size, generator=generator)
        lots = torch.rand(size + 4, generator=generator)
        texts = [
            "" if lot < empty_share else _pick(bucket.captions[row], choice)
            for row, choice, lot in zip(rows.tolist(), which.tolist(), lots.tolist(), strict=False)
        ]
        latents = bucket.latents[rows]
        height, width = latents.shape[2:]
        top = left = 0
        if width != height and lots[size] < crop_share:
            side = min(height, width)
            top = int(lots[size + 1] * (height - side + 1))
            left = int(lots[size + 2] * (width - side + 1))
            latents = latents[:, :, top : top + side, left : left + side]
        grain = int(_pick(GRAINS, float(lots[size + 3])))
        time_ids = make_time_ids(
            size,
            latents.shape[3] * grain,
            latents.shape[2] * grain,
            device,
            original=(width * grain, height * grain),
            crop=(left * grain, top * grain),
        )
        states, pooled = self.encode(texts)
        return Batch(latents.to(device), Conditioning(states, pooled, time_ids))


def _pick(values: Sequence[T], lot: float) -> T:
    """One of them, by a number from 0 to below 1."""
    return values[int(lot * len(values))]


def build_dataset(
    vae: nn.Module,
    encoders: TextEncoders,
    tokenizer: CLIPTokenizer,
    buckets: list[Bucket],
    folder: Path,
    device: torch.device,
) -> Dataset:
    """Reads `latents.pt` of the folder; computes it if it is missing."""
    cache_latents(vae, buckets, folder, device)
    latents = torch.load(folder / "latents.pt", weights_only=True)
    sized = [
        LatentBucket(some, [[caption.text for caption in row] for row in bucket.captions])
        for some, bucket in zip(latents, buckets, strict=True)
    ]
    return Dataset(sized, caption_encoder(encoders, tokenizer, device))


def cache_latents(
    vae: nn.Module, buckets: list[Bucket], folder: Path, device: torch.device
) -> None:
    """Encodes the pool into `<folder>/latents.pt`, if it is not there."""
    path = folder / "latents.pt"
    if path.exists():
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)  # nobody trains meanwhile
    try:
        torch.save([encode_pool(vae, bucket, device) for bucket in buckets], path)  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(threads)


def caption_encoder(
    encoders: TextEncoders, tokenizer: CLIPTokenizer, device: torch.device
) -> Encode:
    """What the frozen encoders make of a list of texts, float32."""
    encoders.freeze(device)

    @torch.no_grad()
    def encode(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids = tokenize(tokenizer, texts).to(device)
        with autocast(device):
            states, pooled = encoders.encode(ids)
        return states.float(), pooled.float()

    return encode
