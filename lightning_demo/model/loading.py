"""Builds the parts of one model on a device: text encoders, decoders and the first UNet."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, AutoencoderTiny
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..errors import CheckpointError, OutOfMemory, is_out_of_memory
from .compile.fp8 import FP8_DTYPE, check_fp8, to_fp8
from .compile.speed import Speed
from .decoders import load_decoders, vae_scale_factor
from .device import (
    cuda_problem,
    free_memory,
    give_back_memory,
    has_cuda,
    pick_device,
    synchronize,
)
from .host_memory import host_has_room
from .hub.files import find, locate_all
from .hub.progress import Report, quiet
from .memory_plan import (
    ANOTHER_HOST_BYTES,
    GIB,
    UNET_BYTES,
    MemoryPlan,
    plan_memory,
    room_for_another,
)
from .weights.lora_file import LoraDeltas, Part, Shapes, add_loras, read_lora_file
from .weights.lora_setting import Lora
from .weights.model_spec import TEXT_ENCODER_FILES, ModelSpec
from .weights.page_locked import page_lock
from .weights.unet_files import UNetFiles, meta_unet
from .weights.unets import UNets
from .weights.weight_file import check_file, check_finite, shapes_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Components:
    """Everything that computes pictures, on one device and ready."""

    spec: ModelSpec
    device: torch.device
    memory_plan: MemoryPlan
    tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]
    text_encoders: tuple[CLIPTextModel, CLIPTextModelWithProjection]
    unets: UNets
    vae: AutoencoderKL | AutoencoderTiny
    preview_vae: AutoencoderTiny

    @property
    def dtype(self) -> torch.dtype:
        """What the models compute in."""
        return self.memory_plan.dtype

    @property
    def device_name(self) -> str:
        """The device, for people."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return self.device.type

    @property
    def vae_scale_factor(self) -> int:
        """Pixels along a latent's side."""
        return vae_scale_factor(self.vae)

    @property
    def room_for_another(self) -> bool:
        """Whether another process could load the same model, beside all that this one will."""
        if self.spec.small:
            return True
        free, resident = free_memory(self.device), len(self.unets.resident())
        here = free is not None and room_for_another(self.memory_plan, resident, free)
        return here and host_has_room(ANOTHER_HOST_BYTES)


def load_components(
    spec: ModelSpec,
    device: str = "auto",
    *,
    loras: Sequence[Lora] = (),
    speed: Speed | None = None,
    memory_plan: MemoryPlan | None = None,
    num_inference_steps: int | None = None,
    report: Report = quiet,
) -> Components:
    """Loads a model onto a device, spread over its memory.

    Args:
        device: a torch device, or "auto" for the GPU if there is one.
        loras: LoRA files added to the text encoders and to every UNet.
        speed: the optimisations that are on; the defaults when absent.
        memory_plan: how it is spread; by what is free there now when absent.
        num_inference_steps: the UNet to load first; the default step count when absent.
        report: called as loading goes on.

    Raises:
        CheckpointError: naming the file that is missing or wrong, or why a GPU that is here cannot
            be used, and what to do.
        InvalidSetting: float8 does not work on this device.
        OutOfMemory: too little is free for any plan, or another program took it meanwhile.
    """
    _quieten()
    if not spec.small and device == "auto":
        if problem := cuda_problem():
            raise CheckpointError(f"{spec.title} would take minutes on the CPU: {problem}")
        if has_cuda():
            device = "cuda"  # or torch says why it cannot use what the driver has
    speed = speed or Speed()
    place = pick_device(device)
    plan = memory_plan or plan_memory(spec, place)
    if speed.fp8:
        check_fp8(place, plan.unets >= len(spec.limits.num_inference_steps))
        plan = replace(plan, dtype=FP8_DTYPE)
    log.info("memory profile %s", plan.describe())
    report(0.0, "Looking for the weights")
    downloading, report = _shares(report)
    steps = num_inference_steps or spec.limits.default_steps
    locate_all(spec.files(steps), report=downloading)
    with _memory_errors(spec, place):
        report(0.2, "Loading the text encoders")
        tokenizers = _load_tokenizers(spec)
        text_encoders, deltas = _load_text_encoders(spec, plan.dtype, loras)
        if plan.text_encoders_stay:
            text_encoders = tuple(encoder.to(place) for encoder in text_encoders)
        elif place.type == "cuda":
            for encoder in text_encoders:
                page_lock_encoder(encoder, place)
        report(0.5, "Loading the decoders")
        vae, preview_vae = load_decoders(spec, plan, place, speed.memory_format)
        report(0.6, "Loading the UNet")
        unets = _prepare_unets(spec, plan, place, speed, deltas)
        unets.get(steps)
    return Components(
        spec=spec,
        device=place,
        memory_plan=plan,
        tokenizers=tokenizers,
        text_encoders=text_encoders,
        unets=unets,
        vae=vae,
        preview_vae=preview_vae,
    )


@contextmanager
def _memory_errors(spec: ModelSpec, place: torch.device) -> Iterator[None]:
    """The plan was for what was free before the download; another program may have come since.

    Raises:
        OutOfMemory: saying so.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold half a model
        give_back_memory(place)
        free = free_memory(place)
        left = "" if free is None else f" ({free / GIB:.1f} GiB is free now)"
        raise OutOfMemory(
            f"Another program took the memory of {place} while {spec.title} was loaded{left}: end "
            "it and start again, or take --model miniature. Of two demos on one GPU, start the "
            "second when the first paints."
        ) from error


def _quieten() -> None:
    """Silences both libraries: they warn about things that are fine here."""
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


def _load_tokenizers(spec: ModelSpec) -> tuple[CLIPTokenizer, CLIPTokenizer]:
    repository = spec.tokenizers or spec.base
    vocabularies = (find(repository, f"{part}/vocab.json") for part in ("tokenizer", "tokenizer_2"))
    first, second = (
        CLIPTokenizer.from_pretrained(path.parent, local_files_only=True) for path in vocabularies
    )
    return first, second


def _load_text_encoders(
    spec: ModelSpec, dtype: torch.dtype, loras: Sequence[Lora]
) -> tuple[tuple[CLIPTextModel, CLIPTextModelWithProjection], tuple[LoraDeltas, ...]]:
    """Both text encoders with the LoRAs added, and what the LoRAs add to each model."""
    first = _text_encoder(CLIPTextModel, spec, TEXT_ENCODER_FILES[0], dtype)
    second = _text_encoder(CLIPTextModelWithProjection, spec, TEXT_ENCODER_FILES[1], dtype)
    if not loras:
        return (first, second), ()
    shapes: dict[Part, Shapes] = {
        "unet": shapes_of(meta_unet(spec)),
        "text_encoder": shapes_of(first),
        "text_encoder_2": shapes_of(second),
    }
    deltas = tuple(read_lora_file(lora, shapes) for lora in loras)
    first.load_state_dict(add_loras(first.state_dict(), deltas, "text_encoder"))
    second.load_state_dict(add_loras(second.state_dict(), deltas, "text_encoder_2"))
    return (first, second), deltas


def page_lock_encoder(encoder: torch.nn.Module, place: torch.device) -> None:
    """Prepares an encoder that visits the GPU for each new prompt, which somebody is typing."""
    locked = page_lock(encoder.state_dict(), place)
    if locked is not None:
        encoder.load_state_dict(locked, assign=True)
        encoder.requires_grad_(False)


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


def _prepare_unets(
    spec: ModelSpec,
    plan: MemoryPlan,
    place: torch.device,
    speed: Speed,
    deltas: Sequence[LoraDeltas],
) -> UNets:
    """The UNets of all step counts; nothing is read yet."""
    step_counts = spec.limits.num_inference_steps
    source = UNetFiles(
        spec,
        place,
        plan.dtype,
        speed.memory_format,
        loras=deltas,
        pinned=plan.unets < len(step_counts),
    )
    return UNets(
        source,
        plan.unets,
        step_counts,
        room=lambda: spec.small or host_has_room(UNET_BYTES),
        finish=to_fp8 if speed.fp8 else lambda unet: None,
        synchronize=partial(synchronize, place),
    )
