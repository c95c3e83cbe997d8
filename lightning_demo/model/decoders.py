"""The decoders of one model: that of final pictures, and the small one of previews."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from ..errors import CheckpointError
from .group_norm import spread_group_norms
from .hub.files import find
from .hub.repository import Repository
from .memory_plan import MemoryPlan
from .weights.model_spec import BASE_VAE, DECODER, ModelSpec
from .weights.unet_files import read_weights
from .weights.weight_file import fill

TILE = 512  # px, the side of a tile where the decoder works in tiles


def load_decoders(
    spec: ModelSpec, plan: MemoryPlan, place: torch.device, layout: torch.memory_format
) -> tuple[AutoencoderKL | AutoencoderTiny, AutoencoderTiny]:
    """The decoder of final pictures and that of previews; they may be the same."""
    if place.type == "cpu":
        layout = torch.channels_last  # nearly half the time for what is nothing but convolutions
    preview = _decoder(spec, spec.preview, *DECODER)
    preview = preview.to(place, plan.dtype, memory_format=layout)
    if plan.decoder == "tiny":
        return preview, preview
    if spec.vae is None:
        vae = _decoder(spec, spec.base, *BASE_VAE)
    else:
        vae = _decoder(spec, spec.vae, *DECODER)
    vae = vae.to(place, plan.dtype, memory_format=layout)
    spread_group_norms(vae)
    if plan.decoder == "tiled":
        decode_in_tiles(vae)
    return vae, preview


def decode_in_tiles(vae: AutoencoderKL | AutoencoderTiny) -> None:
    """By default SDXL's decoder takes 1024 px in one piece, tiling or not."""
    vae.enable_tiling()
    vae.tile_latent_min_size, vae.tile_sample_min_size = TILE // vae_scale_factor(vae), TILE
    if isinstance(vae, AutoencoderTiny):
        vae.spatial_scale_factor = vae_scale_factor(vae)  # diffusers takes 8 for granted


def vae_scale_factor(vae: AutoencoderKL | AutoencoderTiny) -> int:
    """Pixels along a latent's side: 8 in SDXL. Computed as diffusers' pipelines do."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def _decoder(
    spec: ModelSpec, repository: Repository, config_file: str, file: str
) -> AutoencoderKL | AutoencoderTiny:
    config_path = find(repository, config_file)
    config = AutoencoderTiny.load_config(config_path.parent, local_files_only=True)
    kind = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}.get(
        config.get("_class_name")
    )
    if kind is None:
        raise CheckpointError(f"{config_path} describes no decoder of SDXL.")
    weights, path = read_weights(spec, repository, file)
    decoder = kind.from_config(config)
    fill(decoder, weights, path)
    return decoder.eval().requires_grad_(False)
