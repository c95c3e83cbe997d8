"""What one model is: its repositories, checkpoints and sizes. Never imports torch.

The real SDXL-Lightning and the miniature are two values of the same type, so everything that
serves one serves the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...schemas import Limits
from ...settings import ASSETS
from ...styles import read_styles
from ..hub.repository import Repository

PredictionType = Literal["epsilon", "v_prediction", "sample"]

# Names in the repositories, as diffusers lays them out.
TOKENIZER_FILES = tuple(
    f"{folder}/{file}"
    for folder in ("tokenizer", "tokenizer_2")
    for file in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
)
TEXT_ENCODER_CONFIGS = ("text_encoder/config.json", "text_encoder_2/config.json")
TEXT_ENCODER_FILES = (
    "text_encoder/model.fp16.safetensors",
    "text_encoder_2/model.fp16.safetensors",
)
UNET_CONFIG = "unet/config.json"
BASE_UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
BASE_VAE = ("vae/config.json", "vae/diffusion_pytorch_model.fp16.safetensors")
# Published as one file beside that, under another name.
BASE_FILES = {"stabilityai/stable-diffusion-xl-base-1.0": "sd_xl_base_1.0"}
DECODER = ("config.json", "diffusion_pytorch_model.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights distilled for exactly one number of steps.

    `prediction_type` belongs to the weights: SDXL-Lightning's 1-step model predicts the picture
    itself ("sample", called x0 in its file name), its others the noise.
    """

    num_inference_steps: int
    file: str
    prediction_type: PredictionType = "epsilon"

    @property
    def is_lora(self) -> bool:
        """Whether the file is added to the base UNet (LoRA) or replaces it."""
        return self.file.endswith("_lora.safetensors")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words a model knows, for chips and examples on the page."""

    groups: Mapping[str, tuple[str, ...]]  # empty: any words
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ModelSpec:
    """One model for all its step counts, with everything needed to load and describe it."""

    name: str
    title: str
    base: Repository  # laid out as stabilityai/stable-diffusion-xl-base-1.0
    lightning: Repository  # named as in ByteDance/SDXL-Lightning
    vae: Repository | None  # full decoder; None: the one in `base`
    preview: Repository  # cheap decoder, an AutoencoderTiny
    checkpoints: tuple[Checkpoint, ...]  # by ascending step count
    sizes: tuple[tuple[int, int], ...]  # (width, height), px, the native one first
    min_side: int
    max_side: int
    tokenizers: Repository | None = None  # where `base` has none
    small: bool = False  # all of it fits into any device's memory
    examples: tuple[str, ...] = ()
    words: Path | None = None  # JSON with groups and examples
    styles: Path = ASSETS / "styles" / "styles.csv"
    # "repository/file" -> sha256, checked at every load; files of other repositories are
    # checked by the Hub client when it downloads them
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """What a request to this model may ask for.

        Raises:
            InvalidSetting: its file of styles cannot be read.
        """
        steps = tuple(checkpoint.num_inference_steps for checkpoint in self.checkpoints)
        return Limits(
            num_inference_steps=steps,
            default_steps=4 if 4 in steps else steps[-1],
            sizes=self.sizes,
            min_side=self.min_side,
            max_side=self.max_side,
            styles=read_styles(self.styles),
        )

    @property
    def base_file(self) -> str:
        """The base as one file, by its usual name; empty where no checkpoint is a LoRA."""
        if not any(checkpoint.is_lora for checkpoint in self.checkpoints):
            return ""
        name = self.base.name.rpartition("/")[2]
        return f"{BASE_FILES.get(self.base.name, name)}.safetensors"

    def checkpoint(self, num_inference_steps: int) -> Checkpoint:
        """The weights for a step count.

        Raises:
            KeyError: when there are none; another count's weights would give a bad picture.
        """
        for checkpoint in self.checkpoints:
            if checkpoint.num_inference_steps == num_inference_steps:
                return checkpoint
        raise KeyError(num_inference_steps)

    def files(self, *num_inference_steps: int) -> tuple[tuple[Repository, tuple[str, ...]], ...]:
        """Everything that painting in these step counts needs, by repository.

        Raises:
            KeyError: when a step count has no checkpoint.
        """
        checkpoints = [self.checkpoint(steps) for steps in num_inference_steps]
        base: tuple[str, ...] = (*TEXT_ENCODER_CONFIGS, *TEXT_ENCODER_FILES, UNET_CONFIG)
        if self.tokenizers is None:
            base += TOKENIZER_FILES
        if any(checkpoint.is_lora for checkpoint in checkpoints):
            base += (BASE_UNET,)
        return (
            (self.base, base if self.vae else base + BASE_VAE),
            *([(self.tokenizers, TOKENIZER_FILES)] if self.tokenizers else []),
            *([(self.vae, DECODER)] if self.vae else []),
            (self.preview, DECODER),
            (self.lightning, tuple(checkpoint.file for checkpoint in checkpoints)),
        )

    def vocabulary(self) -> Vocabulary:
        """The words this model knows; no groups when it knows any."""
        if self.words is None:
            return Vocabulary({}, self.examples)
        content = json.loads(self.words.read_text(encoding="utf-8"))
        groups = {name: tuple(words) for name, words in content["groups"].items()}
        return Vocabulary(groups, tuple(content["examples"]))
