"""Builds the parts of one model family on a device: text encoders, UNets and decoders."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..errors import CheckpointError
from .checkpoints import Checkpoint, Family, Repository
from .lora import fuse
from .weights import check_file, fill, load_weights, locate

log = logging.getLogger(__name__)

Report = Callable[[float, str], None]  # (fraction done, sentence for the page)

TOKENIZER_FILES = ("vocab.json", "merges.txt")
UNET_FILE = "diffusion_pytorch_model.fp16.safetensors"
RESERVE_BYTES = 6 * 2**30  # of a GPU's memory, for all that is not a UNet


@dataclass(frozen=True, slots=True)
class Components:
    """Everything that computes pictures, on one device and ready."""

    family: Family
    device: torch.device
    dtype: torch.dtype
    tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]
    text_encoders: tuple[CLIPTextModel, CLIPTextModelWithProjection]
    unets: UNets
    vae: AutoencoderKL | AutoencoderTiny
    preview_vae: AutoencoderTiny


class UNets:
    """The family's UNets by step count, each loaded when first used.

    As many stay on the device as its memory holds; the one unused longest makes room.
    """

    def __init__(self, family: Family, device: torch.device, dtype: torch.dtype) -> None:
        self._family, self._device, self._dtype = family, device, dtype
        self._resident: OrderedDict[int, UNet2DConditionModel] = OrderedDict()
        self._base: dict[str, torch.Tensor] | None = None

    def get(self, num_inference_steps: int) -> UNet2DConditionModel:
        """The UNet distilled for this many steps.

        Raises:
            CheckpointError: its file is missing, damaged or another one's.
        """
        unet = self._resident.get(num_inference_steps)
        if unet is None:
            checkpoint = self._family.checkpoint(num_inference_steps)
            weights, path = self._weights(checkpoint)
            unet = UNet2DConditionModel.from_config(_unet_config(self._family))
            fill(unet, weights, path)
            self._make_room(unet)
            unet = unet.to(self._device, self._dtype).eval().requires_grad_(False)
            self._resident[num_inference_steps] = unet
            log.info("loaded %s", path.name)
        self._resident.move_to_end(num_inference_steps)
        return unet

    def _weights(self, checkpoint: Checkpoint) -> tuple[dict[str, torch.Tensor], Path]:
        family = self._family
        weights, path = _load(family, family.lightning, checkpoint.file)
        if checkpoint.is_lora:
            if self._base is None:
                self._base, _ = _load(family, family.base, f"unet/{UNET_FILE}")
            weights = fuse(self._base, weights, path, self._dtype)
        return weights, path

    def _make_room(self, unet: UNet2DConditionModel) -> None:
        if self._device.type != "cuda":
            return
        size = sum(p.numel() for p in unet.parameters()) * self._dtype.itemsize
        total = torch.cuda.get_device_properties(self._device).total_memory
        while self._resident and (len(self._resident) + 1) * size > total - RESERVE_BYTES:
            self._resident.popitem(last=False)
            torch.cuda.empty_cache()


def load_components(
    family: Family, device: str = "auto", *, report: Report = lambda fraction, sentence: None
) -> Components:
    """Loads a family onto a device, half precision on a GPU and float32 elsewhere.

    Args:
        device: a torch device, or "auto" for the GPU if there is one.
        report: called as loading goes on.

    Raises:
        CheckpointError: naming the file that is missing or wrong and what to do.
    """
    _quieten()
    place = pick_device(device)
    dtype = torch.float16 if place.type == "cuda" else torch.float32
    report(0.0, "Looking for the weights")
    text = (
        "tokenizer/*",
        "tokenizer_2/*",
        "text_encoder/config.json",
        "text_encoder_2/config.json",
    )
    encoders = ("text_encoder/model.fp16.safetensors", "text_encoder_2/model.fp16.safetensors")
    base = locate(family.base, (*text, *encoders, "unet/config.json"))
    report(0.2, "Loading the text encoders")
    tokenizers = (_tokenizer(base / "tokenizer"), _tokenizer(base / "tokenizer_2"))
    first = _text_encoder(CLIPTextModel, family, encoders[0], dtype)
    second = _text_encoder(CLIPTextModelWithProjection, family, encoders[1], dtype)
    report(0.5, "Loading the decoders")
    if family.vae is None:
        vae = _decoder(family, family.base, "vae/", "diffusion_pytorch_model.fp16.safetensors")
    else:
        vae = _decoder(family, family.vae, "", "diffusion_pytorch_model.safetensors")
    preview = _decoder(family, family.preview, "", "diffusion_pytorch_model.safetensors")
    report(0.6, "Loading the UNet")
    unets = UNets(family, place, dtype)
    unets.get(family.limits.default_steps)
    return Components(
        family=family,
        device=place,
        dtype=dtype,
        tokenizers=tokenizers,
        text_encoders=(first.to(place), second.to(place)),
        unets=unets,
        vae=vae.to(place, dtype),
        preview_vae=preview.to(place, dtype),
    )


def pick_device(name: str) -> torch.device:
    """The torch device of that name; "auto" is the first GPU, else the CPU.

    Raises:
        CheckpointError: torch cannot use that device on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(
            f"The device {name!r} cannot be used here ({str(error).splitlines()[0]}); "
            "`python -m lightning_demo doctor` shows what can."
        ) from error
    return device


def _quieten() -> None:
    """Leaves loading to our own words: both libraries warn about much that is as it should be."""
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _load(
    family: Family, repository: Repository, file: str
) -> tuple[dict[str, torch.Tensor], Path]:
    path = locate(repository, (file,)) / file
    return load_weights(path, family.sha256.get(f"{repository.name}/{file}")), path


def _unet_config(family: Family) -> dict[str, object]:
    folder = locate(family.base, ("unet/config.json",)) / "unet"
    return UNet2DConditionModel.load_config(folder, local_files_only=True)


def _tokenizer(folder: Path) -> CLIPTokenizer:
    for name in TOKENIZER_FILES:
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing.")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _text_encoder(kind: Any, family: Family, file: str, dtype: torch.dtype) -> Any:
    # The file is checked first: transformers' own messages do not name it.
    path = locate(family.base, (file,)) / file
    check_file(path, family.sha256.get(f"{family.base.name}/{file}"))
    return (
        kind.from_pretrained(
            path.parent, variant="fp16", use_safetensors=True, local_files_only=True, dtype=dtype
        )
        .eval()
        .requires_grad_(False)
    )


def _decoder(
    family: Family, repository: Repository, prefix: str, file: str
) -> AutoencoderKL | AutoencoderTiny:
    folder = locate(repository, (f"{prefix}config.json",)) / prefix
    config = AutoencoderTiny.load_config(folder, local_files_only=True)
    kind = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}.get(
        config.get("_class_name")
    )
    if kind is None:
        raise CheckpointError(f"{folder / 'config.json'} describes no decoder of SDXL.")
    weights, path = _load(family, repository, f"{prefix}{file}")
    decoder = kind.from_config(config)
    fill(decoder, weights, path)
    return decoder.eval().requires_grad_(False)
