"""The checkpoint table: which weights make which pictures, and what each model accepts.

The real SDXL-Lightning and the miniature are two entries of the same type, so everything that
serves one serves the other. Knows names and numbers only; never imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...schemas import Limits
from ...settings import ASSETS

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
DECODER = ("config.json", "diffusion_pytorch_model.safetensors")


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of weights: on the Hugging Face Hub at a pinned commit, or on this machine."""

    name: str  # "owner/name" on the Hub
    revision: str = ""  # commit hash; empty: whatever is newest
    folder: Path | None = None  # where the files are, for repositories that are not on the Hub
    single_file: Path | None = None  # all in one; converted into such a folder when first used

    @property
    def local(self) -> bool:
        """Whether it has nothing to do with the Hub."""
        return self.folder is not None or self.single_file is not None


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
    """What a model is known to draw, for chips and examples on the page."""

    groups: Mapping[str, tuple[str, ...]]  # empty: any words
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """One model in all its step counts, with everything needed to load and describe it."""

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
    # "repository/file" -> sha256, checked at every load; files of other repositories are
    # checked by the Hub client when it downloads them
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """What a request to this model may ask for."""
        steps = tuple(checkpoint.num_inference_steps for checkpoint in self.checkpoints)
        return Limits(
            num_inference_steps=steps,
            default_steps=4 if 4 in steps else steps[-1],
            sizes=self.sizes,
            min_side=self.min_side,
            max_side=self.max_side,
        )

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


SDXL_LIGHTNING = Family(
    name="sdxl-lightning",
    title="SDXL-Lightning",
    base=Repository(
        "stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b"
    ),
    lightning=Repository("ByteDance/SDXL-Lightning", "c9a24f48e1c025556787b0c58dd67a091ece2e44"),
    # SDXL's own decoder overflows in half precision and paints black.
    vae=Repository("madebyollin/sdxl-vae-fp16-fix", "207b116dae70ace3637169f1ddd2434b91b3a8cd"),
    preview=Repository("madebyollin/taesdxl", "b20258aaef75ef61e659c1e0f14f251cf0ad153e"),
    checkpoints=(
        Checkpoint(1, "sdxl_lightning_1step_unet_x0.safetensors", "sample"),
        Checkpoint(2, "sdxl_lightning_2step_unet.safetensors"),
        Checkpoint(4, "sdxl_lightning_4step_unet.safetensors"),
        Checkpoint(8, "sdxl_lightning_8step_unet.safetensors"),
    ),
    # Of SDXL's training buckets of one megapixel (arXiv 2307.01952, appendix I) those in use, then
    # two smaller squares for speed.
    sizes=(
        (1024, 1024),
        (1152, 896),
        (896, 1152),
        (1216, 832),
        (832, 1216),
        (1344, 768),
        (768, 1344),
        (1536, 640),
        (640, 1536),
        (768, 768),
        (512, 512),
    ),
    min_side=256,
    max_side=2048,
    examples=(
        "a red house by the sea at sunset",
        "a girl smiling, soft window light, 35mm photograph",
        "a paper-cut fox in a snowy forest",
        "an astronaut riding a horse on the moon",
    ),
)

_MINIATURE = ASSETS / "miniature"

# As `python -m lightning_demo miniature export` prints them.
_MINIATURE_SHA256 = {
    "miniature/base/text_encoder/model.fp16.safetensors": (
        "2378dacf4ace2ade901c3c814f516b34c3baaaa6d3664df3a511f1ffbbb68c3d"
    ),
    "miniature/base/text_encoder_2/model.fp16.safetensors": (
        "3ddfc5fb362b2fdcf8472c506f6a377870966716e993f88c71e879bd3771c670"
    ),
    "miniature/base/unet/diffusion_pytorch_model.fp16.safetensors": (
        "e9ea6c1bc34dffd7c43795bfacfb5e7df5856182f69fdbf0f3e09eb1e2f99a80"
    ),
    "miniature/base/vae/diffusion_pytorch_model.fp16.safetensors": (
        "5a3539c10fd0a0c3d6469b8b3e5c6ec399fb0511efdd4a5488b14e75cad44159"
    ),
    "miniature/evaluation/classifier.safetensors": (
        "abe712dadda5918841b202d9ad353fc87d474c8d8cc4e379f90fa8b1cb6fff4e"
    ),
    "miniature/lightning/sdxl_lightning_1step_unet_x0.safetensors": (
        "84ef37840e5d91bdd21a5ab551ec6ae56f72bbc6b56717fbc1269d39ee115219"
    ),
    "miniature/lightning/sdxl_lightning_2step_lora.safetensors": (
        "9f90de36ceb7388e75d5c350da61901efde6c68db0631001e2fb987b90cbe5be"
    ),
    "miniature/lightning/sdxl_lightning_4step_lora.safetensors": (
        "4898c58a3bd465a056cd99da432df2f1d9422a649cd4ed26179dbcbc6fed5edb"
    ),
    "miniature/lightning/sdxl_lightning_8step_lora.safetensors": (
        "e539247256df4e1e3c22d8357ec0d52d7de8763aab6109914ea284852565538c"
    ),
    "miniature/preview/diffusion_pytorch_model.safetensors": (
        "b7130309d61440327bdb0c8e78593d4abfa65ca77d4b5bca9e9a3494681e8d35"
    ),
}

MINIATURE = Family(
    name="miniature",
    title="Miniature",
    base=Repository("miniature/base", folder=_MINIATURE / "base"),
    lightning=Repository("miniature/lightning", folder=_MINIATURE / "lightning"),
    vae=None,
    preview=Repository("miniature/preview", folder=_MINIATURE / "preview"),
    checkpoints=(
        Checkpoint(1, "sdxl_lightning_1step_unet_x0.safetensors", "sample"),
        Checkpoint(2, "sdxl_lightning_2step_lora.safetensors"),
        Checkpoint(4, "sdxl_lightning_4step_lora.safetensors"),
        Checkpoint(8, "sdxl_lightning_8step_lora.safetensors"),
    ),
    sizes=((128, 128), (192, 128), (128, 192)),
    min_side=64,
    max_side=256,
    small=True,
    words=_MINIATURE / "words.json",
    sha256=_MINIATURE_SHA256,
)

FAMILIES = {family.name: family for family in (SDXL_LIGHTNING, MINIATURE)}


def family(name: str) -> Family:
    """The table's entry for "sdxl-lightning" or "miniature"."""
    return FAMILIES[name]
