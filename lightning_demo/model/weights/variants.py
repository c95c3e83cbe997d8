"""SDXL-Lightning as whole UNets or as LoRAs, and on another SDXL base.

The whole UNets paint best and replace the base's own; the LoRAs are added to it, and so carry the
few steps over to any SDXL base (paper, arXiv 2402.13929, section 4; there is no 1-step LoRA).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ...errors import InvalidSetting
from .checkpoints import SDXL_LIGHTNING, Checkpoint, Family, Repository

LORA_CHECKPOINTS = tuple(
    Checkpoint(steps, f"sdxl_lightning_{steps}step_lora.safetensors") for steps in (2, 4, 8)
)

_NAME = r"[A-Za-z0-9][\w.-]*"
_HUB_ID = re.compile(rf"(?P<name>{_NAME}/{_NAME})(@(?P<revision>{_NAME}(/{_NAME})*))?", re.ASCII)


def sdxl_lightning(variant: str = "auto", base: str = "") -> Family:
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
    repository = _base(base) if base else SDXL_LIGHTNING.base
    on = f" on {repository.name.rpartition('/')[2]}" if base else ""
    return replace(
        SDXL_LIGHTNING,
        title=f"SDXL-Lightning LoRA{on}",
        base=repository,
        # A single file holds no tokenizers; SDXL's are those of every SDXL model.
        tokenizers=SDXL_LIGHTNING.base if repository.single_file else None,
        checkpoints=LORA_CHECKPOINTS,
    )


def _base(base: str) -> Repository:
    """Where the files of another base are: a folder of this machine before a name on the Hub."""
    path = Path(base).expanduser()
    if path.is_dir():
        return Repository(path.resolve().name, folder=path.resolve())
    if path.is_file():
        if path.suffix != ".safetensors":
            raise InvalidSetting(
                f"base (LIGHTNING_BASE): {base} is not a .safetensors file; no other is opened."
            )
        return Repository(path.stem, single_file=path.resolve())
    found = _HUB_ID.fullmatch(base)
    if found is None:
        raise InvalidSetting(
            f"base (LIGHTNING_BASE): {base[:80]!r} is neither a folder here nor owner/name or "
            "owner/name@revision on the Hub."
        )
    return Repository(found["name"], found["revision"] or "")
