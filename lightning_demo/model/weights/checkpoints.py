"""The checkpoint table: SDXL-Lightning, also as LoRAs and on another base, and the miniature.

Knows names and numbers only; never imports torch.
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import InvalidSetting
from ...schemas import STEP_COUNTS
from ...settings import ASSETS
from ..hub.repository import Repository
from .model_spec import Checkpoint, ModelSpec

ONE_STEP = Checkpoint(1, "sdxl_lightning_1step_unet_x0.safetensors", "sample")
FEW_STEPS = STEP_COUNTS[1:]

SDXL_LIGHTNING = ModelSpec(
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
        ONE_STEP,
        *(Checkpoint(steps, f"sdxl_lightning_{steps}step_unet.safetensors") for steps in FEW_STEPS),
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

# They are added to the base, and so carry the few steps over to any SDXL base (arXiv 2402.13929,
# section 4). There is no 1-step LoRA.
LORA_CHECKPOINTS = tuple(
    Checkpoint(steps, f"sdxl_lightning_{steps}step_lora.safetensors") for steps in FEW_STEPS
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

MINIATURE = ModelSpec(
    name="miniature",
    title="Miniature",
    base=Repository("miniature/base", folder=_MINIATURE / "base"),
    lightning=Repository("miniature/lightning", folder=_MINIATURE / "lightning"),
    vae=None,
    preview=Repository("miniature/preview", folder=_MINIATURE / "preview"),
    checkpoints=(ONE_STEP, *LORA_CHECKPOINTS),
    sizes=((128, 128), (192, 128), (128, 192)),
    min_side=64,
    max_side=256,
    small=True,
    words=_MINIATURE / "words.json",
    sha256=_MINIATURE_SHA256,
)

MODELS = {spec.name: spec for spec in (SDXL_LIGHTNING, MINIATURE)}


def sdxl_lightning(variant: str = "auto", base: str = "") -> ModelSpec:
    """SDXL-Lightning as the settings `variant` and `base` ask for it.

    Args:
        variant: "unet", "lora", or "auto" for the LoRAs where there is another base.
        base: "owner/name" on the Hub, "owner/name@revision", or a folder in diffusers' layout;
            empty for SDXL's own.

    Raises:
        InvalidSetting: the two do not go together, or the base cannot be one.
    """
    if not base and variant != "lora":
        return SDXL_LIGHTNING
    if base and variant == "unet":
        raise InvalidSetting(
            "variant (LIGHTNING_VARIANT): unet would replace the base that --base names; take lora."
        )
    repository = Repository.parse(base) if base else SDXL_LIGHTNING.base
    on = f" on {repository.name.rpartition('/')[2]}" if base else ""
    return replace(
        SDXL_LIGHTNING,
        title=f"SDXL-Lightning LoRA{on}",
        base=repository,
        # A single file holds no tokenizers; SDXL's are those of every SDXL model.
        tokenizers=SDXL_LIGHTNING.base if repository.single_file else None,
        checkpoints=LORA_CHECKPOINTS,
    )
