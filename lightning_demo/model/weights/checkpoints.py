"""The checkpoint table: SDXL-Lightning, also as LoRAs and on another base, and the miniature.

Knows names and numbers only; never imports torch.
"""

from __future__ import annotations

import json
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
SHA256_FILE = "sha256.json"  # of every weight file beside it; `miniature export` writes it

MINIATURE = ModelSpec(
    name="miniature",
    title="Miniature",
    base=Repository("miniature/base", folder=_MINIATURE / "base"),
    lightning=Repository("miniature/lightning", folder=_MINIATURE / "lightning"),
    vae=None,
    preview=Repository("miniature/preview", folder=_MINIATURE / "preview"),
    checkpoints=(
        ONE_STEP,
        *(replace(each, prediction_type="v_prediction") for each in LORA_CHECKPOINTS),
    ),
    sizes=((256, 256), (384, 256), (256, 384)),
    min_side=128,
    max_side=512,
    small=True,
    words=_MINIATURE / "words.json",
    styles=ASSETS / "styles" / "miniature.csv",
    sha256={
        f"miniature/{file}": digest
        for file, digest in json.loads((_MINIATURE / SHA256_FILE).read_text()).items()
    },
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
