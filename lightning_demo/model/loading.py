"""Builds the parts of one model spec on a device: text encoders, decoders and its first UNet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, AutoencoderTiny
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..errors import CheckpointError
from ..schemas import SIZE_MULTIPLE
from .compile.fp8 import check_fp8, to_fp8
from .hub.files import Report, find, locate, locate_all
from .hub.repository import Repository
from .memory_plan import TEXT_BYTES, UNET_BYTES, WORK_BYTES, Profile, host_has_room
from .placement import free_memory, pick_device, pick_profile
from .weights.lora_file import Part, StyleDeltas, read_style, styled
from .weights.lora_setting import Style
from .weights.model_spec import BASE_VAE, DECODER, TEXT_ENCODER_FILES, TOKENIZER_FILES, ModelSpec
from .weights.unet_files import WeightFiles, read_weights, unet_shapes
from .weights.unets import UNets
from .weights.weight_file import check_file, check_finite, fill

log = logging.getLogger(__name__)

TILE = 512  # px, the side of a tile where the decoder works in tiles


@dataclass(frozen=True, slots=True)
class Components:
    """Everything that computes pictures, on one device and ready."""

    spec: ModelSpec
    device: torch.device
    profile: Profile
    tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]
    text_encoders: tuple[CLIPTextModel, CLIPTextModelWithProjection]
    unets: UNets
    vae: AutoencoderKL | AutoencoderTiny
    preview_vae: AutoencoderTiny

    @property
    def dtype(self) -> torch.dtype:
        """What the models compute in."""
        return self.profile.dtype

    @property
    def device_name(self) -> str:
        """The device, for people."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return self.device.type

    @property
    def room_for_another(self) -> bool:
        """Whether another process could load the same model onto the device now."""
        free = free_memory(self.device)
        needed = UNET_BYTES + TEXT_BYTES + WORK_BYTES
        return self.spec.small or (free is not None and free > needed)


def load_components(
    spec: ModelSpec,
    device: str = "auto",
    *,
    styles: Sequence[Style] = (),
    channels_last: bool = False,
    fp8: bool = False,
    num_inference_steps: int | None = None,
    report: Report = lambda fraction, sentence: None,
) -> Components:
    """Loads a spec onto a device, spread over its memory as its profile says.

    Args:
        device: a torch device, or "auto" for the GPU if there is one.
        styles: LoRA files added to the text encoders and to every UNet.
        channels_last: the memory layout that a GPU's convolutions prefer.
        fp8: whether large linear layers are rounded to 8 bits.
        num_inference_steps: the UNet to load first; the usual one when absent.
        report: called as loading goes on.

    Raises:
        CheckpointError: naming the file that is missing or wrong and what to do.
        InvalidSetting: float8 cannot be had on this device.
    """
    _quieten()
    place = pick_device(device)
    profile = pick_profile(spec, place)
    step_counts = spec.limits.num_inference_steps
    if fp8:
        check_fp8(place, profile.unets >= len(step_counts))
    log.info("memory profile %s", profile.describe())
    dtype = profile.dtype
    report(0.0, "Looking for the weights")
    downloading, report = _shares(report)
    steps = num_inference_steps or spec.limits.default_steps
    locate_all(spec.files(steps), report=downloading)
    base = locate(spec.tokenizers or spec.base, TOKENIZER_FILES)
    report(0.2, "Loading the text encoders")
    tokenizers = (_tokenizer(base / "tokenizer"), _tokenizer(base / "tokenizer_2"))
    first = _text_encoder(CLIPTextModel, spec, TEXT_ENCODER_FILES[0], dtype)
    second = _text_encoder(CLIPTextModelWithProjection, spec, TEXT_ENCODER_FILES[1], dtype)
    deltas = _read_styles(styles, spec, first, second)
    _add_styles(first, deltas, "text_encoder")
    _add_styles(second, deltas, "text_encoder_2")
    if profile.text_encoders_stay:
        first, second = first.to(place), second.to(place)
    report(0.5, "Loading the decoders")
    layout = torch.channels_last if channels_last else torch.preserve_format
    preview = _decoder(spec, spec.preview, *DECODER)
    preview = preview.to(place, dtype, memory_format=layout)
    if profile.decoder == "tiny":
        vae = preview
    else:
        if spec.vae is None:
            vae = _decoder(spec, spec.base, *BASE_VAE)
        else:
            vae = _decoder(spec, spec.vae, *DECODER)
        vae = vae.to(place, dtype, memory_format=layout)
        if profile.decoder == "tiled":
            vae.enable_tiling()
            # By itself SDXL's decoder takes 1024 px in one piece.
            vae.tile_latent_min_size, vae.tile_sample_min_size = TILE // SIZE_MULTIPLE, TILE
    report(0.6, "Loading the UNet")
    pinned = profile.unets < len(step_counts)
    source = WeightFiles(spec, place, dtype, layout, styles=deltas, pinned=pinned)
    unets = UNets(
        source,
        profile.unets,
        step_counts,
        room=lambda: spec.small or host_has_room(),
        finish=to_fp8 if fp8 else lambda unet: None,
    )
    unets.get(steps)
    return Components(
        spec=spec,
        device=place,
        profile=profile,
        tokenizers=tokenizers,
        text_encoders=(first, second),
        unets=unets,
        vae=vae,
        preview_vae=preview,
    )


def _quieten() -> None:
    """Leaves loading to our own words: both libraries warn about much that is as it should be."""
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _shares(report: Report) -> tuple[Report, Report]:
    """Reports for downloading and for loading, which share one bar.

    Downloading takes most of it; where nothing is downloaded, loading has it all.
    """
    begun = 0.0

    def downloading(fraction: float, sentence: str) -> None:
        nonlocal begun
        begun = 0.8
        report(begun * fraction, sentence)

    def loading(fraction: float, sentence: str) -> None:
        report(begun + (0.95 - begun) * fraction, sentence)

    return downloading, loading


def _tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _text_encoder(kind: Any, spec: ModelSpec, file: str, dtype: torch.dtype) -> Any:
    # The file is checked first: transformers' own messages do not name it.
    path = find(spec.base, file)
    variant = "fp16" if ".fp16." in path.name else None
    check_file(path, spec.sha256.get(f"{spec.base.name}/{file}"))
    encoder = kind.from_pretrained(
        path.parent, variant=variant, use_safetensors=True, local_files_only=True, dtype=dtype
    )
    check_finite(encoder.state_dict(), path)
    return encoder.eval().requires_grad_(False)


def _read_styles(
    styles: Sequence[Style], spec: ModelSpec, first: torch.nn.Module, second: torch.nn.Module
) -> tuple[StyleDeltas, ...]:
    if not styles:
        return ()
    shapes = [
        {name: tensor.shape for name, tensor in module.state_dict().items()}
        for module in (first, second)
    ]
    return tuple(read_style(style, unet_shapes(spec), *shapes) for style in styles)


def _add_styles(encoder: torch.nn.Module, deltas: Sequence[StyleDeltas], part: Part) -> None:
    if deltas:
        encoder.load_state_dict(styled(encoder.state_dict(), deltas, part))


def _decoder(
    spec: ModelSpec, repository: Repository, config_file: str, file: str
) -> AutoencoderKL | AutoencoderTiny:
    described = find(repository, config_file)
    config = AutoencoderTiny.load_config(described.parent, local_files_only=True)
    kind = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}.get(
        config.get("_class_name")
    )
    if kind is None:
        raise CheckpointError(f"{described} describes no decoder of SDXL.")
    weights, path = read_weights(spec, repository, file)
    decoder = kind.from_config(config)
    fill(decoder, weights, path)
    return decoder.eval().requires_grad_(False)
