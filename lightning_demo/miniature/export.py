"""Writes the trained miniature as files, named and laid out as SDXL's and SDXL-Lightning's own."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from ..model.hub.download import sha256
from ..model.weights.checkpoints import SHA256_FILE
from ..schemas import STEP_COUNTS
from .architecture import MiniatureComponents, save_model
from .lora import save_lora, save_unet
from .sheet import captioned_sheet, draw_prompts, sheet_prompts, write_large_sheet
from .vocabulary import EXAMPLES, words

COLUMNS = 8
HELD_OUT_EXAMPLES = 48 - len(EXAMPLES)


def export_model(
    folder: Path,
    parts: MiniatureComponents,
    loras: dict[int, dict[str, torch.Tensor]],
    one_step: UNet2DConditionModel | None,
) -> None:
    """Writes base/, preview/, lightning/ and words.json; other files in `folder` stay.

    Args:
        parts: with the teacher as `unet`.
        loras: LoRA tensors by step count, of those that exist.
        one_step: predicts the picture, if it exists.
    """
    save_model(folder, parts)
    (folder / "lightning").mkdir(parents=True, exist_ok=True)
    for steps, tensors in loras.items():
        save_lora(tensors, lora_path(folder, steps))
    if one_step is not None:
        save_unet(one_step, one_step_path(folder))
    text = json.dumps(words(), indent=2, ensure_ascii=False)
    (folder / "words.json").write_text(text + "\n", encoding="utf-8")


def lora_path(folder: Path, steps: int) -> Path:
    """Where an exported model has the LoRA of a step count."""
    return folder / "lightning" / f"sdxl_lightning_{steps}step_lora.safetensors"


def one_step_path(folder: Path) -> Path:
    """Where an exported model has the whole UNet of one step."""
    return folder / "lightning" / "sdxl_lightning_1step_unet_x0.safetensors"


def write_hashes(folder: Path) -> dict[str, str]:
    """Writes sha256.json, by which every load checks the files, and returns it."""
    files = sorted(folder.rglob("*.safetensors"))
    hashes = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    text = json.dumps(hashes, indent=2) + "\n"
    (folder / SHA256_FILE).write_text(text, encoding="utf-8")
    return hashes


def write_examples(folder: Path) -> None:
    """Draws examples.jpg, steps.jpg (the same prompts at 1, 2, 4 and 8 steps) and sheet.jpg."""
    prompts = sheet_prompts(len(EXAMPLES) + HELD_OUT_EXAMPLES)
    pictures = draw_prompts(folder, prompts, 4, seed=1)
    _save(captioned_sheet(pictures, prompts, COLUMNS), folder / "examples.jpg")
    few, rows, captions = prompts[:COLUMNS], [], []
    for steps in STEP_COUNTS:
        rows += draw_prompts(folder, few, steps, seed=1)
        captions += [f"{steps} step{'s' * (steps > 1)}"] * len(few)
    _save(captioned_sheet(rows, captions, COLUMNS), folder / "steps.jpg")
    write_large_sheet(folder, folder / "sheet.jpg")


def _save(sheet: Image.Image, path: Path) -> None:
    sheet.save(path, quality=86, optimize=True)
