"""What the denoisers train on: the latents of the pool and what its captions say.

Latents and tokens are computed once and kept in the run folder. Tokens are encoded with each
batch: that is a tenth of a training step, where the states of all would be gigabytes and a long
wait at the start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderTiny
from transformers import CLIPTokenizer

from .autoencoder import encode_pool
from .diffusion import Conditioning, make_time_ids
from .kept import digest, keep, numbers, weights
from .pool import Bucket
from .precision import autocast
from .text import TextEncoders, tokenize

T = TypeVar("T")
LATENTS, TOKENS = "latents.pt", "tokens.pt"
AT_ONCE = 10_000  # captions that are tokenised together
Encoded = tuple[torch.Tensor, torch.Tensor]  # states [B, 32, 224] and projections [B, 128]
Encode = Callable[[list[str]], Encoded]
# Pixels per latent that the size conditioning speaks of. They are the same pictures: a sharper
# decoder paints them at twice the size, and size conditioning must not tell the difference.
GRAINS = (8, 16)


@dataclass(frozen=True)
class LatentBucket:
    """The latents of one size and which captions describe them."""

    latents: torch.Tensor  # [N, 4, h, w]
    tokens: torch.Tensor  # [N, captions per picture, 32], any integers


@dataclass(frozen=True)
class Batch:
    """Latents of one size, each with one of its captions."""

    latents: torch.Tensor  # [B, 4, h, w]
    given: Conditioning


@dataclass(frozen=True)
class Dataset:
    """All buckets, the tokens [32] of the empty caption, and what encodes tokens [B, 32]."""

    buckets: list[LatentBucket]
    empty: torch.Tensor
    encode: Callable[[torch.Tensor], Encoded]

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
        which = (torch.rand(size, generator=generator) * bucket.tokens.shape[1]).long()
        lots = torch.rand(size + 4, generator=generator)
        there = bucket.latents.device
        empty = (lots[:size] < empty_share).to(there)
        rows = rows.to(there)
        tokens = bucket.tokens[rows, which.to(there)]
        tokens = torch.where(empty[:, None], self.empty, tokens)
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
        states, pooled = self.encode(tokens.long())
        return Batch(latents.to(device), Conditioning(states, pooled, time_ids))


def _pick(values: Sequence[T], lot: float) -> T:
    """One of them, by a number from 0 to below 1."""
    return values[int(lot * len(values))]


def build_dataset(
    vae: AutoencoderTiny,
    encoders: TextEncoders,
    tokenizer: CLIPTokenizer,
    buckets: list[Bucket],
    folder: Path,
    device: torch.device,
) -> Dataset:
    """Reads `latents.pt` and `tokens.pt` of the folder; computes what is missing."""
    latents = [each.to(device) for each in _latents(vae, buckets, folder / LATENTS, device)]
    tokens = [each.to(device) for each in _tokens(tokenizer, buckets, folder / TOKENS)]
    return Dataset(
        [LatentBucket(*each) for each in zip(latents, tokens, strict=True)],
        tokenize(tokenizer, [""])[0].to(tokens[0]),
        _token_encoder(encoders, device),
    )


def _latents(
    vae: AutoencoderTiny, buckets: list[Bucket], file: Path, device: torch.device
) -> list[torch.Tensor]:
    """The latents of each bucket; from the file, if they are of the same encoder and pictures."""

    def made_of() -> Iterator[bytes | memoryview]:
        yield from weights(vae.encoder.state_dict())
        for bucket in buckets:
            yield numbers(bucket.pictures)

    def make() -> list[torch.Tensor]:
        threads = torch.get_num_threads()
        torch.set_num_threads(os.cpu_count() or 1)  # nobody trains meanwhile
        try:
            return [encode_pool(vae, bucket, device) for bucket in buckets]
        finally:
            torch.set_num_threads(threads)

    return keep(file, digest(made_of()), make)


def _tokens(tokenizer: CLIPTokenizer, buckets: list[Bucket], file: Path) -> list[torch.Tensor]:
    """The captions' tokens, of each bucket; from the file, if it is of the same captions."""
    texts = [[caption.text for row in bucket.captions for caption in row] for bucket in buckets]

    def make() -> list[torch.Tensor]:
        tokens = []
        for bucket, some in zip(buckets, texts, strict=True):
            parts = [some[at : at + AT_ONCE] for at in range(0, len(some), AT_ONCE)]
            ids = torch.cat([tokenize(tokenizer, part).to(torch.int16) for part in parts])
            tokens.append(ids.unflatten(0, (len(bucket.captions), -1)))
        return tokens

    return keep(file, digest("\0".join(some).encode() for some in texts), make)


def caption_encoder(
    encoders: TextEncoders, tokenizer: CLIPTokenizer, device: torch.device
) -> Encode:
    """What the frozen encoders make of a list of texts, float32."""
    encode = _token_encoder(encoders, device)
    return lambda texts: encode(tokenize(tokenizer, texts).to(device))


def _token_encoder(
    encoders: TextEncoders, device: torch.device
) -> Callable[[torch.Tensor], Encoded]:
    encoders.freeze(device)

    @torch.no_grad()
    def encode(tokens: torch.Tensor) -> Encoded:
        with autocast(device):
            states, pooled = encoders.encode(tokens)
        return states.float(), pooled.float()

    return encode
