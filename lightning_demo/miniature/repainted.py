"""Pictures, and latents that they are to be painted from.

A decoder that has only seen an encoder's latents shows what a student gets a little wrong as a
smear. So it is shown what students make of a picture's own latents, noised to where one of their
last steps begins, and learns to paint the picture all the same. Earlier than that a student paints
another picture, of which nobody knows how it should look.

The decoder of previews is shown a student's estimates on the way, and learns to paint the picture
that will be there in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from numpy.typing import NDArray
from tqdm import tqdm

from .autoencoder import GRID, encode_pool
from .config import TrainingConfig
from .dataset import Encode
from .diffusion import (
    END,
    Conditioning,
    add_noise,
    ddim_step,
    estimate,
    make_time_ids,
    predict,
    solve,
    trailing_timesteps,
)
from .pool import Bucket
from .training import step_generator

# Students' step counts, and how many of their last steps are taken: from t = 499 or later.
LAST_STEPS = ((4, 1), (4, 2), (2, 1), (8, 2))
ON_THE_WAY = 4  # steps of the student whose estimates previews show
FIRST_SHARE = 0.35  # of the latents are a picture's first: the encoder's, or the finished ones
BATCH = 16


@dataclass(frozen=True)
class Painted:
    """Pictures of one size, and the latents that each is to be painted from."""

    pictures: NDArray[np.uint8]  # [N, H, W, 3]
    latents: torch.Tensor  # [variants, N, 4, H/16, W/16], the truest first


def encoded(vae: AutoencoderTiny, buckets: list[Bucket], device: torch.device) -> list[Painted]:
    """The pictures of the sharp pool with the encoder's latents."""
    return [
        Painted(bucket.pictures, encode_pool(vae, bucket, device, sharp=True)[None])
        for bucket in buckets
    ]


@torch.no_grad()
def repaint(
    painted: list[Painted],
    buckets: list[Bucket],
    students: Mapping[int, UNet2DConditionModel],
    encode: Encode,
    seed: int,
    device: torch.device,
) -> list[Painted]:
    """With one more latent of each picture for each of `LAST_STEPS` whose student is there.

    Args:
        buckets: of the same pictures, with their captions.
        students: by step count.
    """
    plans = [plan for plan in LAST_STEPS if plan[0] in students]
    for unet in students.values():
        unet.to(device).eval()
    grown = []
    for some, bucket in zip(painted, buckets, strict=True):
        clean = some.latents[0]
        height, width = (GRID * side for side in clean.shape[2:])
        made = clean.repeat(1 + len(plans), 1, 1, 1, 1)
        starts = range(0, len(clean), BATCH)
        for start in tqdm(starts, desc=f"repainted {width}x{height}", mininterval=10):
            part = slice(start, start + BATCH)
            generator = step_generator(seed, start)
            rows = bucket.captions[part]
            choice = torch.randint(2**31, (len(rows),), generator=generator).tolist()
            words = [row[lot % len(row)].text for row, lot in zip(rows, choice, strict=True)]
            given = Conditioning(*encode(words), make_time_ids(len(rows), width, height, device))
            for place, (steps, last) in enumerate(plans, 1):
                grid = [*trailing_timesteps(steps), END][-last - 1 :]
                times = [torch.full((len(rows),), t, device=device) for t in grid]
                noise = torch.randn(clean[part].shape, generator=generator).to(device)
                noisy = add_noise(clean[part].to(device), noise, times[0])
                made[place, part] = solve(students[steps], noisy, times, given, 0.0).cpu()
        grown.append(Painted(some.pictures, made))
    return grown


@torch.no_grad()
def on_the_way(
    buckets: list[Bucket],
    student: UNet2DConditionModel,
    decoder: torch.nn.Module,
    encode: Encode,
    config: TrainingConfig,
    device: torch.device,
) -> list[Painted]:
    """What a student of `ON_THE_WAY` steps paints of the pool's captions, and its estimates.

    Returns: of each picture the finished latents, then the estimates after each earlier step.
    """
    student.to(device).eval()
    decoder.to(device, memory_format=torch.channels_last).eval()
    grid = [*trailing_timesteps(ON_THE_WAY), END]
    painted = []
    for bucket in buckets:
        count = round(len(bucket.captions) * min(1.0, config.preview_pictures / _count(buckets)))
        pictures, latents = [], []
        starts = range(0, count, BATCH)
        for start in tqdm(starts, desc=f"previews {bucket.width}x{bucket.height}", mininterval=10):
            generator = step_generator(config.seed + 2, start)
            words = [row[0].text for row in bucket.captions[start : min(start + BATCH, count)]]
            times = [torch.full((len(words),), t, device=device) for t in grid]
            time_ids = make_time_ids(len(words), bucket.width, bucket.height, device)
            given = Conditioning(*encode(words), time_ids)
            shape = (len(words), 4, bucket.height // GRID, bucket.width // GRID)
            x = torch.randn(shape, generator=generator).to(device)
            estimates = []
            for now, following in pairwise(times):
                velocity = predict(student, x, now, given)
                estimates.append(estimate(x, velocity, now))
                x = ddim_step(x, velocity, now, following)
            pixels = decoder(x).clamp(-1, 1).add(1).mul(127.5).round().byte()
            pictures.append(pixels.permute(0, 2, 3, 1).cpu().numpy())
            latents.append(torch.stack([x, *estimates[:-1]]).cpu())
        painted.append(Painted(np.concatenate(pictures), torch.cat(latents, dim=1)))
    return painted


def _count(buckets: list[Bucket]) -> int:
    return sum(len(bucket.captions) for bucket in buckets)


def cut(
    painted: list[Painted], batch: int, side: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random square parts: pixels [B, 3, side, side] from -1 to 1, and one of their latents.

    Args:
        side: px, a multiple of 16.
    """
    sizes = torch.tensor([float(len(some.pictures)) for some in painted])
    choice = torch.multinomial(sizes, batch, replacement=True, generator=generator).tolist()
    lots = torch.rand(batch, 4, generator=generator).tolist()
    pixels, latents = [], []
    cells = side // GRID
    for number, (index, x, y, variant) in zip(choice, lots, strict=True):
        some = painted[number]
        variants, count, _, height, width = some.latents.shape
        left, top = int(x * (width - cells + 1)), int(y * (height - cells + 1))
        row = int(index * count)
        place = 0
        if variant >= FIRST_SHARE and variants > 1:
            share = (variant - FIRST_SHARE) / (1 - FIRST_SHARE)
            place = 1 + int(share * (variants - 1))
        latents.append(some.latents[place, row, :, top : top + cells, left : left + cells])
        down, right = slice(GRID * top, GRID * top + side), slice(GRID * left, GRID * left + side)
        pixels.append(some.pictures[row, down, right])
    real = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return real, torch.stack(latents)
