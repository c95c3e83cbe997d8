"""diffusers' safety checker of Stable Diffusion: whether a picture is safe for work.

A CLIP looks at the picture; where it comes too near to one of the concepts that the files hold, the
picture is flagged. It computes on the CPU: the GPU belongs to the engine's thread alone. torch and
diffusers are imported when it is loaded.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import CheckpointError, InvalidSetting
from .hub.repository import Repository
from .weights.model_spec import ModelSpec

log = logging.getLogger(__name__)

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# What OpenAI's CLIP was trained with, and every checker's preprocessor_config.json says.
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def safety_checker(named: str, spec: ModelSpec) -> SafetyChecker | None:
    """The one that the setting names, not loaded yet; None where none is wanted or needed.

    Raises:
        InvalidSetting: it names none.
    """
    if not named:
        return None
    repository = Repository.parse(named, "safety_checker")
    if repository.single_file is not None:
        raise InvalidSetting(
            "safety_checker (LIGHTNING_SAFETY_CHECKER): give the folder with its config.json, too."
        )
    if spec.small:
        log.warning(
            "--safety-checker is needless with the %s, whose small world has nothing to check; "
            "it is not loaded",
            spec.title.lower(),
        )
        return None
    return SafetyChecker(repository)


class SafetyChecker:
    """diffusers' StableDiffusionSafetyChecker, from files as its `save_pretrained` writes them."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._model: Any = None
        self._side = 0  # px of the pictures that it looks at

    def load(self) -> None:
        """Loads it, and downloads its files where they are missing.

        Raises:
            CheckpointError: they cannot be had, or are not those of a safety checker.
        """
        from .hub.files import find
        from .weights.weight_file import check_file

        if self._model is not None:
            return
        config, weights = (find(self._repository, name) for name in (CONFIG, WEIGHTS))
        if config.parent != weights.parent:
            raise CheckpointError(f"{weights} and {config} are of two versions: start once more.")
        check_file(weights)
        self._model = _loaded(weights.parent)
        self._side = self._model.config.vision_config.image_size
        log.info("pictures are checked by %s", self._repository.name)

    def flags(self, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
        """Whether a picture, uint8 [height, width, 3], is not to be seen."""
        import torch

        with torch.inference_mode():
            seen = torch.from_numpy(as_clip_sees(pixels, self._side))
            nothing = [np.zeros(1, np.float32)]  # it would black this out
            flagged: list[bool] = self._model(seen, nothing)[1]
        return flagged[0]


def as_clip_sees(pixels: np.ndarray[Any, np.dtype[np.uint8]], side: int) -> Any:
    """The middle of a picture as float32 [1, 3, side, side], as CLIP's own processor makes it."""
    picture = Image.fromarray(pixels)
    width, height = picture.size
    short = min(width, height)
    size = side * width // short, side * height // short
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    picture = picture.crop((left, top, left + side, top + side))
    values = (np.asarray(picture, np.float32) / 255 - MEAN) / DEVIATION
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def _loaded(folder: Path) -> Any:
    """The model from a folder.

    Raises:
        CheckpointError: not every tensor of it is there: with any left at random it would pass all.
    """
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    try:
        model, about = StableDiffusionSafetyChecker.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    except Exception as error:
        raise CheckpointError(f"{folder} holds no safety checker ({error}).") from error
    if missing := sorted(about["missing_keys"]):
        raise CheckpointError(
            f"{folder} holds no safety checker: {len(missing)} tensors are missing, the first is "
            f"{missing[0]}."
        )
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{folder} holds NaN or infinite values in {name}.")
    return model.eval()
