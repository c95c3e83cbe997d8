"""Begins a training run with the files of a release, so that each may go on from the one before."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..model.weights.lora import fuse
from .architecture import build_components, build_preview, build_tokenizer, build_vae
from .distill import STUDENTS
from .export import lora_path, one_step_path
from .stage_files import save_stage, start_of

_DECODER = ("decoder_block_out_channels", "num_decoder_blocks")  # what a decoder is of


def adopt_autoencoder(folder: Path, run: Path) -> list[str]:
    """Makes an exported encoder, and the decoders that are of today's kind, stages of a run.

    Latents then stay what they were, and a run begins with the text encoders. A decoder of fewer
    blocks is what a deeper one goes on from. Those of another kind, as those that painted 128 px,
    are to be trained anew: then they begin with an enlargement.

    Returns: the stages that are so finished.
    """
    run.mkdir(parents=True, exist_ok=True)
    vae, preview = build_vae(), build_preview()
    theirs = AutoencoderTiny.from_pretrained(folder / "base" / "vae", variant="fp16").float()
    vae.encoder.load_state_dict(theirs.encoder.state_dict())
    their_preview = AutoencoderTiny.from_pretrained(folder / "preview").float()
    decoders = {}
    for name, mine, other in (("decoder", vae, theirs), ("preview", preview, their_preview)):
        if all(tuple(mine.config[key]) == tuple(other.config[key]) for key in _DECODER):
            mine.decoder.load_state_dict(other.decoder.state_dict())
            decoders[name] = mine.decoder.state_dict()
        elif (state := _deepened(other, mine)) is not None:
            save_stage(run, start_of(name), {"decoder": state})
    save_stage(run, "autoencoder", {"vae": vae.state_dict()})
    for name, state in decoders.items():
        save_stage(run, name, {"decoder": state})
    return ["autoencoder", *decoders]


def _deepened(theirs: AutoencoderTiny, mine: AutoencoderTiny) -> dict[str, torch.Tensor] | None:
    """A decoder's weights for one of as many stages, with more blocks where there are any.

    Those that are added come last and change nothing before they are trained: a block gives back
    what another one has made, which is nowhere negative.

    Returns: None where it is not of such a kind.
    """
    few, many = _runs(theirs), _runs(mine)
    widths = [tuple(vae.config["decoder_block_out_channels"]) for vae in (theirs, mine)]
    pairs = list(zip(few, many, strict=False))
    fits = (
        len(some) <= len(places) and bool(some) == bool(places) for (some, _), (places, _) in pairs
    )
    if widths[0] != widths[1] or not all(fits):
        return None
    state = mine.decoder.state_dict()
    for (blocks, layer), (places, place) in pairs:
        for number, target in [*zip(blocks, places, strict=False), (layer, place)]:
            for name, value in theirs.decoder.layers[number].state_dict().items():
                state[f"layers.{target}.{name}"] = value
    return state


def _runs(vae: AutoencoderTiny) -> list[tuple[list[int], int]]:
    """The decoder's layers by place: each that is no block, with the blocks before it."""
    runs: list[tuple[list[int], int]] = []
    blocks: list[int] = []
    for place, layer in enumerate(vae.decoder.layers):
        if isinstance(layer, AutoencoderTinyBlock):
            blocks.append(place)
        else:
            runs.append((blocks, place))
            blocks = []
    return runs


def adopt_teacher(folder: Path, run: Path, *, finished: bool = False) -> None:
    """Also takes the text encoders, and the teacher as the weights to go on from.

    Encoders of the very words that this code knows are finished; of other words, those that both
    know begin with what they meant, and the stage "text" has to learn the rest.

    Args:
        finished: the teacher stays as it is, for students to learn from.

    Raises:
        ValueError: it should stay as it is, but its words are not those of this code.
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
    if finished and known != words:
        raise ValueError(f"{folder} knows other words than this code: train its teacher first")
    if known == words:
        save_stage(run, "text", states)
    else:
        fresh = build_components(len(words))
        save_stage(
            run,
            start_of("text"),
            {
                name: _by_word(state, getattr(fresh, name).state_dict(), known, words)
                for name, state in states.items()
            },
        )
    save_stage(
        run, "teacher" if finished else start_of("teacher"), {"unet": unet.float().state_dict()}
    )


def adopt_students(folder: Path, run: Path) -> list[str]:
    """Also takes the students, each as what a student of its step count goes on from.

    The teacher must be finished: a LoRA is of the very weights that it was made for.

    Returns: the stages that so have a beginning.
    """
    teacher = UNet2DConditionModel.from_pretrained(folder / "base" / "unet", variant="fp16")
    base = teacher.float().state_dict()
    begun = []
    for steps, plan in STUDENTS.items():
        path = one_step_path(folder) if steps == 1 else lora_path(folder, steps)
        weights = load_file(path)
        state = weights if steps == 1 else fuse(base, weights, path)
        save_stage(run, start_of(plan.name), {"unet": {k: v.float() for k, v in state.items()}})
        begun.append(plan.name)
    return begun


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
