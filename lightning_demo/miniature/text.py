"""Text encoders: how they are read, and their pretraining on what captions mean.

SDXL takes encoders that CLIP has already taught what words mean. The loss of denoising alone
teaches a small encoder to bind "green tree, blue house" far too slowly, so these first learn to
tell every fact that a caption names.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from .captions import Caption, write_caption
from .config import TrainingConfig
from .stage_files import load_stage, start_of
from .tokenizer import MAX_LENGTH
from .training import Length, Moment, Stage, run_stage
from .vocabulary import COLOURS, FORMS, PLACES, SHAPES, STYLES, SUBJECTS, TIMES, WEATHERS
from .world import sample_scene

_NAMES = (*SUBJECTS, *SHAPES)
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "count": ("1", "2", "3", "pair"),
    "name": _NAMES,
    "colour": tuple(COLOURS),
    "name_2": _NAMES,
    "colour_2": tuple(COLOURS),
    "side": ("left", "centre", "right"),
    "facing": ("left",),
    "form": tuple(form for forms in FORMS.values() for form in forms),
    "relation": ("beside", "front", "above"),
    "place": tuple(PLACES),
    "time": tuple(TIMES),
    "weather": tuple(WEATHERS)[1:],
    "style": tuple(STYLES)[1:],
    "background": tuple(COLOURS),
}
IGNORED = -100  # cross_entropy's own mark


@dataclass(frozen=True)
class TextEncoders:
    """SDXL's pair: the UNet reads both second-last states and the second one's projection."""

    first: CLIPTextModel
    second: CLIPTextModelWithProjection

    def encode(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """ids [B, 32] -> (states [B, 32, 224], pooled [B, 128])."""
        one = self.first(ids, output_hidden_states=True).hidden_states[-2]
        two = self.second(ids, output_hidden_states=True)
        return torch.cat((one, two.hidden_states[-2]), dim=-1), two.text_embeds

    def freeze(self, device: torch.device) -> None:
        """Moves both to the device, for use without training."""
        for module in self.modules.values():
            module.to(device).eval().requires_grad_(False)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """By the names of their folders."""
        return {"text_encoder": self.first, "text_encoder_2": self.second}


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids [B, 32], padded and cut as the pipeline does it."""
    return tokenizer(
        texts, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


def label_caption(caption: Caption) -> list[int]:
    """One class per attribute; the class after the last stands for "not said"."""
    if not caption.claims:
        return [IGNORED] * len(ATTRIBUTES)
    return [
        values.index(caption.claims[name]) if name in caption.claims else len(values)
        for name, values in ATTRIBUTES.items()
    ]


class MeaningHeads(nn.Module):
    """Reads every attribute from three places: the end token, the last pad, the projection."""

    def __init__(self, width: int = 224, pooled: int = 128) -> None:
        super().__init__()
        classes = sum(len(values) + 1 for values in ATTRIBUTES.values())
        self.readers = nn.ModuleList(nn.Linear(w, classes) for w in (width, width, pooled))

    def forward(
        self, states: torch.Tensor, pooled: torch.Tensor, ends: torch.Tensor
    ) -> list[torch.Tensor]:
        """states [B, 32, 224], pooled [B, 128], ends [B] -> logits [B, classes] per place."""
        rows = torch.arange(len(states), device=states.device)
        seen = (states[rows, ends], states[:, -1], pooled)
        return [reader(value) for reader, value in zip(self.readers, seen, strict=True)]


def split_logits(logits: torch.Tensor) -> list[torch.Tensor]:
    """[B, classes] -> one [B, values + 1] per attribute."""
    return list(logits.split([len(values) + 1 for values in ATTRIBUTES.values()], dim=1))


def sample_captions(batch: int, generator: torch.Generator, pair_share: float) -> list[Caption]:
    """Fresh captions; a share of them of scenes with two different things, the hard ones."""
    rng = random.Random(int(torch.randint(2**62, (1,), generator=generator)))  # noqa: S311
    captions = []
    while len(captions) < batch:
        scene = sample_scene(rng.getrandbits(60))
        if scene.is_pair or len(captions) >= pair_share * batch:
            captions.append(write_caption(scene, rng.getrandbits(60)))
    return captions


def pretrain_text(
    encoders: TextEncoders,
    tokenizer: CLIPTokenizer,
    length: Length,
    folder: Path,
    config: TrainingConfig,
    device: torch.device,
) -> list[float]:
    """Teaches both encoders to tell every fact of a caption; the heads are kept with them."""
    torch.manual_seed(config.seed)
    load_stage(folder, start_of("text"), encoders.modules)
    modules = {**encoders.modules, "heads": MeaningHeads()}
    for module in modules.values():
        module.to(device).train()

    def loss(at: Moment) -> torch.Tensor:
        captions = sample_captions(config.text_batch, at.generator, 0.5)
        ids = tokenize(tokenizer, [caption.text for caption in captions]).to(device)
        labels = torch.tensor([label_caption(caption) for caption in captions], device=device)
        ends = (ids == tokenizer.eos_token_id).int().argmax(dim=1)
        states, pooled = encoders.encode(ids)
        answers = modules["heads"](states, pooled, ends)
        losses = [
            functional.cross_entropy(part.float(), labels[:, number], ignore_index=IGNORED)
            for logits in answers
            for number, part in enumerate(split_logits(logits))
        ]
        return torch.stack(losses).sum() / len(answers)

    stage = Stage("text", modules, loss, config.text_lr, ema_decay=0.99)
    return run_stage(stage, length, folder, config)


@torch.inference_mode()
def meaning_accuracy(
    encoders: TextEncoders,
    heads: MeaningHeads,
    tokenizer: CLIPTokenizer,
    count: int = 400,
    seed: int = 1,
) -> dict[str, float]:
    """Share of two-thing captions whose facts the end token tells, per attribute and all four."""
    captions = [
        c for c in sample_captions(count, torch.Generator().manual_seed(seed), 1.0) if c.claims
    ]
    ids = tokenize(tokenizer, [caption.text for caption in captions])
    ends = (ids == tokenizer.eos_token_id).int().argmax(dim=1)
    labels = torch.tensor([label_caption(caption) for caption in captions])
    states, pooled = encoders.encode(ids)
    parts = split_logits(heads(states, pooled, ends)[0])
    right = torch.stack([part.argmax(1) == labels[:, n] for n, part in enumerate(parts)], dim=1)
    scores = {name: right[:, n].float().mean().item() for n, name in enumerate(ATTRIBUTES)}
    scores["binding"] = right[:, 1:5].all(dim=1).float().mean().item()
    return scores
