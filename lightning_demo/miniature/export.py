"""Writes the trained miniature as files, named and laid out as SDXL's and SDXL-Lightning's own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from PIL import Image

from .architecture import MiniatureComponents, save_model
from .lora import fuse_lora, lora_tensors, save_lora, save_unet
from .sheet import captioned_sheet, draw_prompts, sheet_prompts
from .vocabulary import words

LORA_RANKS: dict[int, int] = {4: 24, 2: 16, 8: 8}
SHEET_BYTES = 400_000


def export_model(
    folder: Path,
    parts: MiniatureComponents,
    students: dict[int, dict[str, torch.Tensor]],
    ranks: dict[int, int] | None = None,
) -> None:
    """Writes base/, preview/, lightning/ and words.json; other files in `folder` stay.

    Args:
        parts: with the teacher as `unet`.
        students: UNet weights by step count, of those that exist.
    """
    save_model(folder, parts)
    lightning = folder / "lightning"
    lightning.mkdir(parents=True, exist_ok=True)
    # The LoRA is added to the weights as they are in the file, so its delta is taken from these.
    teacher = {k: v.half().float() for k, v in parts.unet.state_dict().items()}
    for steps, rank in (ranks or LORA_RANKS).items():
        if steps in students:
            path = lightning / f"sdxl_lightning_{steps}step_lora.safetensors"
            save_lora(teacher, students[steps], path, rank)
    if 1 in students:
        unet = type(parts.unet).from_config(parts.unet.config)
        unet.load_state_dict(students[1])
        save_unet(unet, lightning / "sdxl_lightning_1step_unet_x0.safetensors")
    text = json.dumps(words(), indent=2, ensure_ascii=False)
    (folder / "words.json").write_text(text + "\n", encoding="utf-8")


def fused_student(
    parts: MiniatureComponents, student: dict[str, torch.Tensor], rank: int
) -> dict[str, torch.Tensor]:
    """What a student becomes as a LoRA of that rank: to compare before choosing one."""
    teacher = parts.unet.state_dict()
    return fuse_lora(teacher, lora_tensors(teacher, student, rank))


def file_table(folder: Path) -> list[str]:
    """One line per weight file: sha256, bytes, path; for a checkpoint table."""
    lines = []
    for path in sorted(folder.rglob("*.safetensors")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{digest}  {path.stat().st_size:>9}  {path.relative_to(folder).as_posix()}")
    return lines


def write_examples(folder: Path, num_inference_steps: int = 4, count: int = 32) -> Image.Image:
    """Draws examples.png through the exported files, small enough to be kept in a repository."""
    prompts = sheet_prompts(count)
    pictures = draw_prompts(folder, prompts, num_inference_steps, seed=1)
    sheet = captioned_sheet(pictures, prompts, columns=8)
    path = folder / "examples.png"
    for colours in (0, 256, 128, 64):
        image = sheet.quantize(colours, dither=Image.Dither.NONE) if colours else sheet
        image.save(path, optimize=True)
        if path.stat().st_size <= SHEET_BYTES:
            break
    return sheet
