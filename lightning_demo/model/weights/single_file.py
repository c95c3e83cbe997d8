"""Turns a single-file SDXL checkpoint into the folder of files that everything here loads.

Such files (`sd_xl_base_1.0.safetensors` and fine-tunes of it) hold all models in the names of
Stability's sgm code. They are converted once, by diffusers' own functions, one model after the
other, to half precision. They hold no tokenizers: SDXL's own are used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as ldm
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from ...errors import CheckpointError
from ...private import private_folder
from .sdxl_config import SDXL, Config
from .weight_file import check_file, check_finite, check_shapes

log = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]

CACHE = Path(".cache") / "lightning-demo"  # in the user's home
UNFINISHED = "unfinished-"
SPARE_BYTES = 2**30  # of the disk, to be left free
UNET = "model.diffusion_model."
OPEN_CLIP = "conditioner.embedders.1.model."

# Folder -> what its names start with in the single file, and the file that it becomes.
PARTS = {
    "unet": (UNET, "diffusion_pytorch_model.fp16.safetensors"),
    "vae": ("first_stage_model.", "diffusion_pytorch_model.fp16.safetensors"),
    "text_encoder": ("conditioner.embedders.0.transformer.", "model.fp16.safetensors"),
    "text_encoder_2": (OPEN_CLIP, "model.fp16.safetensors"),
}

# Parts of tensor names that only other kinds of files have, the most specific first.
STRANGERS = {
    ".lora_": "a LoRA: give it as --lora",
    "double_blocks.": "a Flux checkpoint",
    "joint_blocks.": "a Stable Diffusion 3 checkpoint",
    "cond_stage_model.model.": "a Stable Diffusion 2 checkpoint",
    "cond_stage_model.": "a Stable Diffusion 1 checkpoint",
    "conditioner.embedders.0.model.": "the SDXL refiner, which only finishes the base's pictures",
    "control_model.": "a ControlNet",
    "edm_mean": "Playground v2.5, which has a noise schedule of its own",
    "v_pred": "a v-prediction checkpoint, and Lightning was distilled from one that predicts noise",
    "down_blocks.0.": "a single model in diffusers' names",
}
IN_CHANNELS = {8: "an SDXL checkpoint for editing", 9: "an SDXL checkpoint for inpainting"}


def convert(path: Path, cache: Path | None = None, *, configs: Mapping[str, Config] = SDXL) -> Path:
    """The folder, in diffusers' layout, of the single-file SDXL checkpoint at `path`.

    The first call converts it: this takes a while, the disk space of the file in half precision,
    and memory for its largest model. Later calls find the folder, until the file changes. The cache
    can be deleted at any time.

    Args:
        cache: where such folders are kept; default: `~/.cache/lightning-demo`.
        configs: configurations of the models by folder, for other sizes than SDXL's.

    Raises:
        CheckpointError: naming the file and what it is instead, what is missing or wrong in it, or
            how much disk space is missing.
    """
    cache = Path.home() / CACHE if cache is None else cache
    check_file(path)
    target = cache / _identity(path, configs)
    if target.is_dir():
        return target
    _check_kind(path)
    try:
        private_folder(cache)
        _sweep(cache)
        _check_disk(path, cache)
        log.info("converting %s into %s", path.name, target)
        with tempfile.TemporaryDirectory(dir=cache, prefix=UNFINISHED) as folder:
            _write(path, Path(folder) / "model", configs)
            _rename(Path(folder) / "model", target)
    except OSError as error:
        raise CheckpointError(
            f"{path} could not be converted: {cache} cannot be written ({error.strerror})."
        ) from error
    return target


def _identity(path: Path, configs: Mapping[str, Config]) -> str:
    """A name for this version of the file; hashing all of it would take seconds at every start."""
    facts = path.stat()
    identity = [str(path.resolve()), facts.st_size, facts.st_mtime_ns, dict(configs)]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _check_kind(path: Path) -> None:
    """Refuses files that are not an SDXL base model, by names and shapes alone."""
    shapes = _shapes_in(path)
    conv_in = shapes.get(f"{UNET}input_blocks.0.0.weight", torch.Size())
    kinds = [kind for mark, kind in STRANGERS.items() if any(mark in name for name in shapes)]
    if len(conv_in) > 1 and conv_in[1] in IN_CHANNELS:
        kinds.append(IN_CHANNELS[conv_in[1]])
    if kinds:
        raise CheckpointError(
            f"{path} is {kinds[0]}. Only a whole SDXL checkpoint can be the base."
        )
    for part, (prefix, _) in PARTS.items():
        if not any(name.startswith(prefix) for name in shapes):
            raise CheckpointError(
                f"{path} is not a whole SDXL checkpoint: it holds no {part} ({prefix}…)."
            )


def _shapes_in(path: Path) -> dict[str, torch.Size]:
    with safe_open(path, framework="pt") as file:
        return {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _check_disk(path: Path, cache: Path) -> None:
    prefixes = tuple(prefix for prefix, _ in PARTS.values())
    numbers = sum(s.numel() for name, s in _shapes_in(path).items() if name.startswith(prefixes))
    needed, free = 2 * numbers + SPARE_BYTES, shutil.disk_usage(cache).free
    if free < needed:
        raise CheckpointError(
            f"Converting {path} needs {needed / 2**30:.1f} GiB free in {cache}, where there are "
            f"{free / 2**30:.1f}."
        )


def _sweep(cache: Path) -> None:
    """Removes leftovers of killed conversions; none takes longer than a day."""
    for folder in cache.glob(f"{UNFINISHED}*"):
        if folder.stat().st_mtime < time.time() - 24 * 3600:
            shutil.rmtree(folder, ignore_errors=True)


def _rename(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster and wrote the same
            raise


def _write(path: Path, folder: Path, configs: Mapping[str, Config]) -> None:
    """Writes all models of the file at `path` below `folder`, one after the other."""
    for part, (prefix, file) in PARTS.items():
        config = configs[part]
        weights = _converted(path, part, prefix, config)
        (folder / part).mkdir(parents=True)
        save_file(weights, folder / part / file, metadata={"format": "pt"})
        text = json.dumps(dict(config), indent=2)
        (folder / part / "config.json").write_text(text + "\n", encoding="utf-8")


def _converted(path: Path, part: str, prefix: str, config: Config) -> Weights:
    """One model's weights in diffusers' or transformers' names, in half precision."""
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        tensors = {name: file.get_tensor(name).half() for name in names}
    try:
        weights = _CONVERTERS[part](tensors, config)
    except (KeyError, IndexError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is not a whole SDXL checkpoint: its {part} lacks {error}."
        ) from error
    weights = {
        name: tensor.contiguous()
        for name, tensor in weights.items()
        if tensor is not None and not name.endswith("position_ids")  # 0, 1, 2, …, in old files
    }
    found = {name.removeprefix("text_model."): tensor for name, tensor in weights.items()}
    check_shapes(_expected(part, config), found, path)
    check_finite(weights, path)
    return weights


def _expected(part: str, config: Config) -> dict[str, torch.Size]:
    """Shapes by name, without the `text_model.` that transformers puts before some or none."""
    with torch.device("meta"):
        model = _MODELS[part](config)
    return {name.removeprefix("text_model."): t.shape for name, t in model.state_dict().items()}


_CONVERTERS: dict[str, Callable[[Weights, Config], Weights]] = {
    "unet": ldm.convert_ldm_unet_checkpoint,
    "vae": ldm.convert_ldm_vae_checkpoint,
    "text_encoder": lambda tensors, config: ldm.convert_ldm_clip_checkpoint(tensors),
    "text_encoder_2": lambda tensors, config: ldm.convert_open_clip_checkpoint(
        None, tensors, OPEN_CLIP
    ),
}
_MODELS: dict[str, Callable[[Config], torch.nn.Module]] = {
    "unet": UNet2DConditionModel.from_config,
    "vae": AutoencoderKL.from_config,
    "text_encoder": lambda config: CLIPTextModel(CLIPTextConfig(**config)),
    "text_encoder_2": lambda config: CLIPTextModelWithProjection(CLIPTextConfig(**config)),
}
