"""Trains the teacher: the many-step model that the few-step ones are distilled from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTokenizer

from .autoencoder import encode_pool
from .config import TrainingConfig
from .diffusion import (
    TRAIN_TIMESTEPS,
    Conditioning,
    add_noise,
    make_time_ids,
    min_snr_weight,
    predict,
)
from .pool import Bucket
from .text import TextEncoders, tokenize
from .training import Length, Stage, run_stage

EMPTY_SHARE = 0.02  # of the texts are "": what the model draws before anyone has typed


@dataclass(frozen=True)
class LatentBucket:
    """The latents of one size and the token ids of their captions."""

    width: int
    height: int
    latents: torch.Tensor  # [N, 4, h, w]
    ids: torch.Tensor  # [N, captions, 32], int16


@dataclass(frozen=True)
class Batch:
    """Latents of one size with one caption each."""

    latents: torch.Tensor  # [B, 4, h, w]
    ids: torch.Tensor  # [B, 32]
    time_ids: torch.Tensor  # [B, 6]


def cache_latents(
    vae: torch.nn.Module,
    tokenizer: CLIPTokenizer,
    buckets: list[Bucket],
    folder: Path,
    device: torch.device,
) -> list[LatentBucket]:
    """Encodes the pool once; the result is kept in `<folder>/latents.pt`."""
    path = folder / "latents.pt"
    if not path.exists():
        saved = []
        for bucket in buckets:
            texts = [caption.text for row in bucket.captions for caption in row]
            ids = tokenize(tokenizer, texts).to(torch.int16)
            saved.append(
                {
                    "latents": encode_pool(vae, bucket, device),  # type: ignore[arg-type]
                    "ids": ids.view(len(bucket.captions), -1, ids.shape[1]),
                }
            )
        torch.save(saved, path)
    stored = torch.load(path, weights_only=True)
    return [
        LatentBucket(b.width, b.height, s["latents"], s["ids"])
        for b, s in zip(buckets, stored, strict=True)
    ]


def draw_batch(
    buckets: list[LatentBucket], size: int, generator: torch.Generator, device: torch.device
) -> Batch:
    """A batch of one picture size, sizes as often as they are in the pool."""
    counts = torch.tensor([float(len(b.latents)) for b in buckets])
    bucket = buckets[int(torch.multinomial(counts, 1, generator=generator))]
    rows = torch.randint(len(bucket.latents), (size,), generator=generator)
    which = torch.randint(bucket.ids.shape[1], (size,), generator=generator)
    return Batch(
        bucket.latents[rows].to(device),
        bucket.ids[rows, which].long().to(device),
        make_time_ids(size, bucket.width, bucket.height, device),
    )


def train_teacher(
    unet: UNet2DConditionModel,
    encoders: TextEncoders,
    tokenizer: CLIPTokenizer,
    buckets: list[LatentBucket],
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
    *,
    stop_after: int | None = None,
) -> list[float]:
    """Noise prediction with min-SNR weights; the text encoders stay as pretrained, as SDXL's do."""
    unet.to(device).train()
    encoders.freeze(device)
    empty = tokenize(tokenizer, [""]).to(device)

    def loss(generator: torch.Generator) -> torch.Tensor:
        batch = draw_batch(buckets, config.teacher_batch, generator, device)
        size = len(batch.latents)
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        # Stratified: each batch covers all noise levels evenly.
        lots = (torch.arange(size) + torch.rand(size, generator=generator)) / size
        timesteps = (lots * TRAIN_TIMESTEPS).long().clamp(max=TRAIN_TIMESTEPS - 1).to(device)
        drop = torch.rand(size, generator=generator).to(device)
        ids = torch.where((drop > 1 - EMPTY_SHARE)[:, None], empty, batch.ids)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            states, pooled = encoders.encode(ids)
        keep = (drop >= config.text_drop).float()
        given = Conditioning(
            states.float() * keep[:, None, None], pooled.float() * keep[:, None], batch.time_ids
        )
        output = predict(unet, add_noise(batch.latents, noise, timesteps), timesteps, given)
        errors = (output - noise).square().mean((1, 2, 3))
        return (errors * min_snr_weight(timesteps, config.min_snr_gamma)).mean()

    stage = Stage("teacher", {"unet": unet}, loss, config.teacher_lr, config.teacher_ema)
    return run_stage(stage, length, folder, config, stop_after=stop_after)
