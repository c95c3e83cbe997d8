"""What the denoisers train on: the latents of the pool and the states of its captions.

Both come from frozen networks, so each is computed once and kept in the run folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm
from transformers import CLIPTokenizer

from .autoencoder import encode_pool
from .diffusion import Conditioning, make_time_ids
from .pool import Bucket
from .precision import autocast
from .text import TextEncoders, tokenize

ENCODE_BATCH = 256
EMPTY = 0  # the row of the empty text


@dataclass(frozen=True)
class LatentBucket:
    """The latents of one size and which captions describe them."""

    width: int
    height: int
    latents: torch.Tensor  # [N, 4, h, w]
    captions: torch.Tensor  # [N, captions per picture], rows of `Dataset.states`


@dataclass(frozen=True)
class Batch:
    """Latents of one size, each with one of its captions."""

    latents: torch.Tensor  # [B, 4, h, w]
    given: Conditioning


@dataclass(frozen=True)
class Dataset:
    """All buckets, and every different caption once."""

    buckets: list[LatentBucket]
    states: torch.Tensor  # [U, 32, 224] float16
    pooled: torch.Tensor  # [U, 128] float16

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
        which = torch.randint(bucket.captions.shape[1], (size,), generator=generator)
        lots = torch.rand(size + 3, generator=generator)
        texts = bucket.captions[rows, which].masked_fill(lots[:size] < empty_share, EMPTY)
        latents = bucket.latents[rows]
        time_ids = make_time_ids(size, bucket.width, bucket.height, device)
        if bucket.width != bucket.height and lots[size] < crop_share:
            side = min(latents.shape[2:])
            top = int(lots[size + 1] * (latents.shape[2] - side + 1))
            left = int(lots[size + 2] * (latents.shape[3] - side + 1))
            latents = latents[:, :, top : top + side, left : left + side]
            scale = bucket.height // bucket.latents.shape[2]
            time_ids = make_time_ids(
                size,
                side * scale,
                side * scale,
                device,
                original=(bucket.width, bucket.height),
                crop=(left * scale, top * scale),
            )
        given = Conditioning(
            self.states[texts].to(device).float(), self.pooled[texts].to(device).float(), time_ids
        )
        return Batch(latents.to(device), given)


def build_dataset(
    vae: nn.Module,
    encoders: TextEncoders,
    tokenizer: CLIPTokenizer,
    buckets: list[Bucket],
    folder: Path,
    device: torch.device,
) -> Dataset:
    """Reads `latents.pt` and `states.pt` of the folder; computes what is missing."""
    texts, rows = _number_captions(buckets)
    cache_latents(vae, buckets, folder, device)
    cache_states(encoders, tokenizer, texts, folder, device)
    latents = torch.load(folder / "latents.pt", weights_only=True)
    stored = torch.load(folder / "states.pt", weights_only=True, mmap=True)
    sized = [
        LatentBucket(b.width, b.height, z, r)
        for b, z, r in zip(buckets, latents, rows, strict=True)
    ]
    return Dataset(sized, stored["states"], stored["pooled"])


def _number_captions(buckets: list[Bucket]) -> tuple[list[str], list[torch.Tensor]]:
    """Every different text once, the empty one first; and the rows of each bucket's captions."""
    numbers: dict[str, int] = {"": EMPTY}
    rows = []
    for bucket in buckets:
        table = [[numbers.setdefault(c.text, len(numbers)) for c in row] for row in bucket.captions]
        rows.append(torch.tensor(table))
    return list(numbers), rows


def cache_latents(
    vae: nn.Module, buckets: list[Bucket], folder: Path, device: torch.device
) -> None:
    """Encodes the pool into `<folder>/latents.pt`, if it is not there."""
    path = folder / "latents.pt"
    if not path.exists():
        torch.save([encode_pool(vae, bucket, device) for bucket in buckets], path)  # type: ignore[arg-type]


@torch.inference_mode()
def cache_states(
    encoders: TextEncoders,
    tokenizer: CLIPTokenizer,
    texts: list[str],
    folder: Path,
    device: torch.device,
) -> None:
    """Encodes the texts into `<folder>/states.pt`, if it is not there."""
    path = folder / "states.pt"
    if path.exists():
        return
    encoders.freeze(device)
    states, pooled = [], []
    for start in tqdm(range(0, len(texts), ENCODE_BATCH), desc="captions", mininterval=10):
        ids = tokenize(tokenizer, texts[start : start + ENCODE_BATCH]).to(device)
        with autocast(device):
            some, projection = encoders.encode(ids)
        states.append(some.half().cpu())
        pooled.append(projection.half().cpu())
    torch.save({"states": torch.cat(states), "pooled": torch.cat(pooled)}, path)
