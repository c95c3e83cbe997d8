"""Writes the trained miniature as files, named and laid out as SDXL's and SDXL-Lightning's own."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..model.hub.download import sha256
from ..model.weights.checkpoints import SHA256_FILE
from ..schemas import STEP_COUNTS
from .architecture import (
    MiniatureComponents,
    build_components,
    build_preview,
    build_tokenizer,
    build_vae,
    save_model,
)
from .lora import save_lora, save_unet
from .sheet import captioned_sheet, draw_prompts, sheet_prompts, write_large_sheet
from .teacher import TEACHER_START
from .text import TEXT_START
from .training import save_stage
from .vocabulary import EXAMPLES, words

COLUMNS = 8
_DECODER = ("decoder_block_out_channels", "num_decoder_blocks")  # what a decoder is of
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
    lightning = folder / "lightning"
    lightning.mkdir(parents=True, exist_ok=True)
    for steps, tensors in loras.items():
        save_lora(tensors, lightning / f"sdxl_lightning_{steps}step_lora.safetensors")
    if one_step is not None:
        save_unet(one_step, lightning / "sdxl_lightning_1step_unet_x0.safetensors")
    text = json.dumps(words(), indent=2, ensure_ascii=False)
    (folder / "words.json").write_text(text + "\n", encoding="utf-8")


def adopt_autoencoder(folder: Path, run: Path) -> list[str]:
    """Makes an exported encoder, and the decoders that are of today's kind, stages of a run.

    Latents then stay what they were, and a run begins with the text encoders. Decoders of another
    kind, as those that painted 128 px, are to be trained anew: then they begin with an enlargement.

    Returns: the stages that are so finished.
    """
    vae, preview = build_vae(), build_preview()
    theirs = AutoencoderTiny.from_pretrained(folder / "base" / "vae", variant="fp16").float()
    vae.encoder.load_state_dict(theirs.encoder.state_dict())
    their_preview = AutoencoderTiny.from_pretrained(folder / "preview").float()
    decoders = {}
    for name, mine, other in (("decoder", vae, theirs), ("preview", preview, their_preview)):
        if all(tuple(mine.config[key]) == tuple(other.config[key]) for key in _DECODER):
            mine.decoder.load_state_dict(other.decoder.state_dict())
            decoders[name] = mine.decoder.state_dict()
    run.mkdir(parents=True, exist_ok=True)
    save_stage(run, "autoencoder", {"vae": vae.state_dict()})
    for name, state in decoders.items():
        save_stage(run, name, {"decoder": state})
    return ["autoencoder", *decoders]


def adopt_teacher(folder: Path, run: Path) -> None:
    """Also takes the text encoders, and the teacher as the weights to go on from.

    Encoders of the very words that this code knows are finished; of other words, those that both
    know begin with what they meant, and the stage "text" has to learn the rest.
    """
    base = folder / "base"
    tokenizer = build_tokenizer(run / "tokenizer")
    theirs = CLIPTokenizer.from_pretrained(base / "tokenizer", local_files_only=True)
    known, words = theirs.get_vocab(), tokenizer.get_vocab()
    first = CLIPTextModel.from_pretrained(base / "text_encoder", variant="fp16")
    second = CLIPTextModelWithProjection.from_pretrained(base / "text_encoder_2", variant="fp16")
    unet = UNet2DConditionModel.from_pretrained(base / "unet", variant="fp16")
    states = {"text_encoder": first.float().state_dict()}
    states["text_encoder_2"] = second.float().state_dict()
    if known == words:
        save_stage(run, "text", states)
    else:
        fresh = build_components(len(words))
        save_stage(
            run,
            TEXT_START,
            {
                name: _by_word(state, getattr(fresh, name).state_dict(), known, words)
                for name, state in states.items()
            },
        )
    save_stage(run, TEACHER_START, {"unet": unet.float().state_dict()})


def _by_word(
    state: dict[str, torch.Tensor],
    fresh: dict[str, torch.Tensor],
    known: dict[str, int],
    words: dict[str, int],
) -> dict[str, torch.Tensor]:
    """An encoder's weights for other words: the vectors of those in both, else fresh ones.

    Args:
        known: the words of `state`, and `words` those of `fresh`, with their rows.
    """
    shared = words.keys() & known.keys()
    taken = dict(state)
    for name, vectors in fresh.items():
        if name.endswith("token_embedding.weight"):
            taken[name] = vectors.clone()
            taken[name][[words[word] for word in shared]] = state[name][
                [known[word] for word in shared]
            ]
    return taken


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
