"""Contact sheets: pictures of prompts through the exported files, in plain diffusers."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file
from tqdm import tqdm

from ..model.weights.lora import fuse
from . import suites
from .captions import write_caption
from .picture import draw_scene
from .vocabulary import EXAMPLES
from .world import PAINTED, sample_scene

BATCH = 16
COLUMNS = 10
FONT_SIZE = 18  # px, under pictures of their own size
LARGE, LARGE_COLUMNS = 384, 6  # px of a picture that shows its form, and how many in a row
SMALL, SMALL_COLUMNS, SMALL_COUNT = 256, 4, 12  # the same for a page
LARGE_COUNT, BESIDE_COUNT = 48, 6


def load_pipeline(folder: Path, num_inference_steps: int) -> tuple[StableDiffusionXLPipeline, str]:
    """The pipeline of one step count and its prediction type; 0 steps: the undistilled base.

    Args:
        folder: holds base/ and lightning/.
    """
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        folder / "base", variant="fp16", dtype=torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    if not num_inference_steps:
        return pipeline, pipeline.scheduler.config.prediction_type
    whole = folder / "lightning" / "sdxl_lightning_1step_unet_x0.safetensors"
    if num_inference_steps == 1 and whole.exists():
        pipeline.unet.load_state_dict({k: v.float() for k, v in load_file(whole).items()})
        return pipeline, "sample"
    lora = folder / "lightning" / f"sdxl_lightning_{num_inference_steps}step_lora.safetensors"
    pipeline.unet.load_state_dict(fuse(pipeline.unet.state_dict(), load_file(lora), lora))
    return pipeline, pipeline.scheduler.config.prediction_type


class Drawer:
    """One model of an exported folder, loaded once."""

    def __init__(
        self,
        folder: Path,
        num_inference_steps: int,
        guidance_scale: float = 0.0,
        unet: UNet2DConditionModel | None = None,
    ) -> None:
        """
        Args:
            guidance_scale: above 0: of the undistilled base.
            unet: stands in for the one of that step count.
        """
        self._steps, self._guidance_scale = num_inference_steps, guidance_scale
        self._pipeline, kind = load_pipeline(folder, 0 if guidance_scale else num_inference_steps)
        if unet is not None:
            self._pipeline.unet = unet.eval()
        self._pipeline.scheduler.register_to_config(prediction_type=kind)

    def __call__(
        self, prompts: list[str], seed: int = 0, width: int = 256, height: int = 256
    ) -> list[Image.Image]:
        """One picture per prompt, each from its own seed (seed, seed + 1, …)."""
        pictures: list[Image.Image] = []
        starts = range(0, len(prompts), BATCH)
        for start in tqdm(starts, f"{self._steps} steps, {width}x{height}", leave=False):
            part = prompts[start : start + BATCH]
            generators = [
                torch.Generator().manual_seed(seed + start + number) for number in range(len(part))
            ]
            pictures += self._pipeline(
                part,
                num_inference_steps=self._steps,
                guidance_scale=self._guidance_scale,
                width=width,
                height=height,
                generator=generators,
            ).images
        return pictures


def draw_prompts(
    folder: Path,
    prompts: list[str],
    num_inference_steps: int,
    *,
    seed: int = 0,
    width: int = 256,
    height: int = 256,
    guidance_scale: float = 0.0,
) -> list[Image.Image]:
    """One picture per prompt, by a model that is needed only once."""
    return Drawer(folder, num_inference_steps, guidance_scale)(prompts, seed, width, height)


def held_out_prompts(count: int) -> list[str]:
    """One subject, two, and several in turn; their combinations never met in training.

    None shows what one before it shows while there is anything else.
    """
    one, two, several = (
        kind(4 * count) for kind in (suites.one_subject, suites.two_subjects, suites.counts)
    )
    turns = (one, two, one, several)
    seen: set[object] = set()
    prompts = []
    for number in range(count):
        tasks = turns[number % len(turns)]
        task = next((t for t in tasks if t.scene and t.scene.things[0] not in seen), tasks[number])
        seen.update(task.scene.things if task.scene else ())
        prompts.append(task.prompt)
    return prompts


def sheet_prompts(count: int) -> list[str]:
    """The page's examples, then held-out prompts."""
    return [*EXAMPLES, *held_out_prompts(count - len(EXAMPLES))][:count]


def captioned_sheet(
    pictures: list[Image.Image], captions: list[str], columns: int, font_size: int = FONT_SIZE
) -> Image.Image:
    """Pictures of one size in rows, each above its caption of at most two lines."""
    gap = 6
    line_height = round(1.2 * font_size)
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    cell = (width + gap, height + 2 * line_height + 2 + gap)
    sheet = Image.new("RGB", (columns * cell[0] + gap, rows * cell[1] + gap), "white")
    canvas = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(font_size)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(number, columns)
        x, y = gap + column * cell[0], gap + row * cell[1]
        sheet.paste(picture, (x, y))
        lines: list[str] = [""]
        for word in caption.split():
            longer = f"{lines[-1]} {word}".strip()
            if canvas.textlength(longer, font) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        for line, text in enumerate(lines[:2]):
            place = (x, y + height + 1 + line_height * line)
            canvas.text(place, text, fill=(40, 40, 48), font=font)
    return sheet


def world_sheet(count: int) -> Image.Image:
    """Training pictures, each above one of its captions."""
    scenes = [sample_scene(seed) for seed in range(count)]
    captions = [write_caption(scene, seed).text for seed, scene in enumerate(scenes)]
    pictures = [draw_scene(scene, *PAINTED[0]) for scene in scenes]
    return captioned_sheet(pictures, captions, min(COLUMNS, count))


def write_large_sheet(
    folder: Path,
    path: Path,
    num_inference_steps: int = 4,
    seed: int = 1,
    guidance_scale: float = 0.0,
) -> tuple[Path, Path]:
    """Held-out prompts in pictures large enough to see their form, and the first twelve for a page.

    Returns: `path`, 48 of 384 px, and twelve of 256 px beside it: `sheet.jpg`, `sheet-12.jpg`.
    """
    prompts = held_out_prompts(LARGE_COUNT)
    pictures = draw_prompts(
        folder, prompts, num_inference_steps, seed=seed, guidance_scale=guidance_scale
    )
    small = path.with_stem(f"{path.stem}-{SMALL_COUNT}")
    save_large(pictures, prompts, path, LARGE, LARGE_COLUMNS)
    save_large(pictures[:SMALL_COUNT], prompts[:SMALL_COUNT], small, SMALL, SMALL_COLUMNS)
    return path, small


def write_beside(
    before: Path,
    after: Path,
    path: Path,
    num_inference_steps: int = 4,
    seed: int = 1,
    guidance_scale: float = 0.0,
) -> Path:
    """Six held-out prompts by two exported folders, one above the other, as one JPEG at `path`."""
    prompts = held_out_prompts(BESIDE_COUNT)
    pictures = [
        picture
        for folder in (before, after)
        for picture in draw_prompts(
            folder, prompts, num_inference_steps, seed=seed, guidance_scale=guidance_scale
        )
    ]
    save_large(pictures, [*prompts, *prompts], path, SMALL, BESIDE_COUNT)
    return path


def save_large(
    pictures: list[Image.Image], captions: list[str], path: Path, side: int, columns: int
) -> None:
    """Square pictures enlarged smoothly to `side` px, as one JPEG."""
    large = [picture.resize((side, side), Image.Resampling.LANCZOS) for picture in pictures]
    sheet = captioned_sheet(large, captions, columns, font_size=side // 18)
    sheet.save(path, quality=85, optimize=True)
