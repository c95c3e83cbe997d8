"""Trains the autoencoder on crops, and encodes pictures.

A latent is of 8x8 pixels of what is encoded and of 16x16 of what is painted: pictures are painted
at `SHARP` times the size at which they were encoded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from .config import TrainingConfig
from .pool import Bucket
from .precision import autocast
from .training import Length, Moment, Stage, run_stage
from .world import SHARP

CROP = 128  # px, as painted
GRID = 16  # px of a latent, as painted
QUIET = 0.05  # weight of the loss that keeps latents at mean 0, standard deviation 1


def crops(buckets: list[Bucket], batch: int, generator: torch.Generator) -> torch.Tensor:
    """Random crops, half of them mirrored, [B, 3, 128, 128] from -1 to 1.

    Offsets are multiples of 16, so that the autoencoder sees the grid it will be used on.

    Args:
        buckets: of the sharp pool.
    """
    sizes = torch.tensor([float(len(bucket.pictures)) for bucket in buckets])
    choice = torch.multinomial(sizes, batch, replacement=True, generator=generator).tolist()
    lots = torch.rand(batch, 4, generator=generator).tolist()
    cut = []
    for number, (index, x, y, flip) in zip(choice, lots, strict=True):
        bucket = buckets[number]
        top = int(y * ((bucket.height - CROP) // GRID + 1)) * GRID
        left = int(x * ((bucket.width - CROP) // GRID + 1)) * GRID
        crop = bucket.pictures[
            int(index * len(bucket.pictures)), top : top + CROP, left : left + CROP
        ]
        cut.append(crop[:, ::-1] if flip < 0.5 else crop)
    pixels = torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2)
    return pixels.float() / 127.5 - 1


def halve(pixels: torch.Tensor) -> torch.Tensor:
    """What is encoded of pictures of the painted size, [B, 3, H, W] -> [B, 3, H/2, W/2]."""
    return functional.avg_pool2d(pixels, SHARP)


def reconstruction_loss(made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """L1, plus L1 of the differences of neighbours (edges), plus L2 for what is far off."""
    made, real = made.float(), real.float()
    loss = (made - real).abs().mean() + 4 * (made - real).square().mean()
    for axis in (2, 3):
        loss = loss + 0.5 * (made.diff(dim=axis) - real.diff(dim=axis)).abs().mean()
    return loss


def train_autoencoder(
    vae: AutoencoderTiny,
    buckets: list[Bucket],
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
) -> list[float]:
    """Trains encoder and decoder together; `scaling_factor` stays 1, latents are kept at std 1."""
    vae.to(device, memory_format=torch.channels_last).train()

    def loss(at: Moment) -> torch.Tensor:
        real = crops(buckets, config.autoencoder_batch, at.generator).to(device)
        # AutoencoderTiny's own encode() is this without the slicing options.
        latents = vae.encoder(halve(real.contiguous(memory_format=torch.channels_last))).float()
        noise = torch.randn(latents.shape, generator=at.generator).to(device)
        made = vae.decoder(latents + config.latent_noise * noise)
        mean, std = latents.mean((0, 2, 3)), latents.square().mean((0, 2, 3)).sqrt()
        tidy = mean.square().mean() + (std - 1).square().mean()
        return reconstruction_loss(made, real) + QUIET * tidy

    stage = Stage("autoencoder", {"vae": vae}, loss, config.autoencoder_lr, ema_decay=0.998)
    return run_stage(stage, length, folder, config)


@torch.inference_mode()
def psnr(
    vae: AutoencoderTiny, decoder: nn.Module, pictures: np.ndarray, device: torch.device
) -> float:
    """Peak signal-to-noise ratio of the round trip over whole pictures, dB.

    Args:
        pictures: [N, H, W, 3] uint8, of the painted size.
    """
    total = 0.0
    for start in range(0, len(pictures), 16):
        real = torch.from_numpy(pictures[start : start + 16].copy()).permute(0, 3, 1, 2).to(device)
        made = decoder(vae.encoder(halve(real.float() / 127.5 - 1))).clamp(-1, 1)
        total += ((made + 1) / 2 - real / 255).square().mean().item() * len(real)
    return -10 * float(np.log10(total / len(pictures)))


@torch.no_grad()  # not inference_mode: weights that change their layout there cannot be trained
def encode_pool(
    vae: AutoencoderTiny, bucket: Bucket, device: torch.device, *, sharp: bool = False
) -> torch.Tensor:
    """The latents of all pictures of a bucket of the pool, [N, 4, h, w] float32 on the CPU.

    Args:
        sharp: the bucket is of the sharp pool, of pictures at the painted size.
    """
    vae.to(device, memory_format=torch.channels_last).eval()
    batch = 8 if device.type == "cpu" else 256  # what its cache holds: half the time of 64
    parts = []
    starts = range(0, len(bucket.pictures), batch)
    for start in tqdm(starts, desc=f"latents {bucket.width}x{bucket.height}", mininterval=10):
        # [N, H, W, 3] seen as [N, 3, H, W] is channels_last already
        pixels = torch.from_numpy(bucket.pictures[start : start + batch].copy())
        with autocast(device):
            scaled = pixels.permute(0, 3, 1, 2).to(device).float() / 127.5 - 1
            parts.append(vae.encoder(halve(scaled) if sharp else scaled).float().cpu())
    return torch.cat(parts).contiguous()


def picture_bytes(pictures: list[Image.Image]) -> torch.Tensor:
    """Pictures of one size as [N, 3, H, W] uint8."""
    array = np.stack([np.asarray(picture) for picture in pictures])
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def picture_pixels(pictures: list[Image.Image]) -> torch.Tensor:
    """Pictures of one size as [N, 3, H, W] from -1 to 1."""
    return picture_bytes(pictures).float() / 127.5 - 1


@torch.inference_mode()
def encode_pictures(vae: AutoencoderTiny, pictures: list[Image.Image]) -> torch.Tensor:
    """The latents of pictures of one size, as painted, [N, 4, H/16, W/16]."""
    batches = [picture_pixels(pictures[i : i + 32]) for i in range(0, len(pictures), 32)]
    return torch.cat([vae.encoder(halve(batch)) for batch in batches])


@torch.inference_mode()
def round_trip(vae: AutoencoderTiny, pictures: list[Image.Image]) -> list[Image.Image]:
    """Pictures of one size, as painted, as the autoencoder gives them back."""
    made = []
    for latents in encode_pictures(vae, pictures).split(16):
        pixels = vae.decoder(latents).clamp(-1, 1).add(1).mul(127.5).round().byte()
        made += [Image.fromarray(array) for array in pixels.permute(0, 2, 3, 1).numpy()]
    return made
