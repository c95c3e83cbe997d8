"""The judge: a small convolutional network that tells what a picture shows.

Trained on renders, with the combinations that the generator never sees, so that it judges those
as well as any other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from . import parallel
from .config import TrainingConfig
from .kept import digest, keep, numbers
from .picture import draw_scene
from .pool import FIRST_SEED, Bucket
from .text import IGNORED
from .training import Length, Moment, Stage, run_stage
from .vocabulary import COLOURS, PLACES, SHAPES, STYLES, SUBJECTS, TIMES, WEATHERS
from .world import BUCKETS, Kind, Scene, sample_held_out, sample_scene

SIDE = 64  # px, to which larger pictures are averaged
FEATURES = 192
HELD_OUT_SEED = 10_000_000  # evaluation uses the seeds below
KINDS: tuple[Kind, ...] = ("one", "pair", "counts")
_NAMES = (*SUBJECTS, *SHAPES)

HEADS: dict[str, tuple[str, ...]] = {
    "count": ("0", "1", "2", "3", "pair"),
    "name": _NAMES,
    "colour": tuple(COLOURS),
    "name_2": _NAMES,
    "colour_2": tuple(COLOURS),
    "relation": ("beside", "front", "above"),
    "place": tuple(PLACES),
    "time": tuple(TIMES),
    "weather": tuple(WEATHERS),
    "style": tuple(STYLES),
    "background": tuple(COLOURS),
}


def facts(scene: Scene) -> dict[str, str]:
    """What a picture of the scene shows, by head; what does not apply is absent."""
    told = {"count": "pair" if scene.is_pair else str(len(scene.things)), "style": scene.style}
    if scene.things:
        told |= {"name": scene.things[0].name, "colour": scene.things[0].colour}
    if scene.is_pair:
        second = scene.things[1]
        told |= {"name_2": second.name, "colour_2": second.colour, "relation": scene.relation}
    if scene.background:
        return told | {"background": scene.background}
    return told | {"place": scene.place, "time": scene.time, "weather": scene.weather}


def label(scene: Scene) -> list[int]:
    """One class per head; IGNORED where it does not apply."""
    told = facts(scene)
    return [values.index(told[head]) if head in told else IGNORED for head, values in HEADS.items()]


class Classifier(nn.Module):
    """[B, 3, 64, 64] from -1 to 1 -> logits per head. Places are kept: left and right matter."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((3, 32, 5, 2), (32, 64, 3, 2), (64, 64, 3, 1), (64, 96, 3, 2), (96, 96, 3, 1))
        widths += ((96, 128, 3, 2),)
        layers: list[nn.Module] = []
        for before, after, kernel, stride in widths:
            convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, FEATURES), nn.ReLU())
        self.heads = nn.Linear(FEATURES, sum(map(len, HEADS.values())))

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """[B, 192], what the heads read."""
        return self.body(pixels)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits [B, classes] by head."""
        parts = self.heads(self.features(pixels)).split([len(v) for v in HEADS.values()], dim=1)
        return dict(zip(HEADS, parts, strict=True))

    @torch.inference_mode()
    def tell(self, pixels: torch.Tensor) -> list[dict[str, str]]:
        """The likeliest value of every head for each picture."""
        best = {head: logits.argmax(dim=1).tolist() for head, logits in self(pixels).items()}
        return [
            {head: HEADS[head][rows[number]] for head, rows in best.items()}
            for number in range(len(pixels))
        ]


def to_pixels(pictures: Sequence[Image.Image] | NDArray[np.uint8]) -> torch.Tensor:
    """Square pictures of 128 or 256 px, uint8 RGB -> [B, 3, 64, 64] from -1 to 1."""
    array = np.stack([np.asarray(picture) for picture in pictures])
    pixels = torch.from_numpy(array).permute(0, 3, 1, 2).float()
    return functional.avg_pool2d(pixels, array.shape[1] // SIDE) / 127.5 - 1


def train_classifier(
    bucket: Bucket, length: Length, folder: Path, config: TrainingConfig, device: torch.device
) -> Classifier:
    """Trains on the square pictures of the pool and on renders of held-out combinations."""
    torch.manual_seed(config.seed)
    model = Classifier().to(device).train()
    pictures, labels = _examples(bucket, folder, config.held_out_renders)

    def loss(at: Moment) -> torch.Tensor:
        rows = torch.randint(len(pictures), (config.classifier_batch,), generator=at.generator)
        pixels = pictures[rows].float() / 127.5 - 1
        # What a generator draws is never as clean as a render.
        pixels = pixels + 0.06 * torch.rand(
            len(rows), 1, 1, 1, generator=at.generator
        ) * torch.randn(pixels.shape, generator=at.generator)
        pixels = pixels * (
            1 + 0.12 * (torch.rand(len(rows), 1, 1, 1, generator=at.generator) - 0.5)
        )
        logits = model(pixels.to(device))
        losses = [
            functional.cross_entropy(
                part, labels[rows, number].to(device), ignore_index=IGNORED, reduction="sum"
            )
            for number, part in enumerate(logits.values())
        ]
        return torch.stack(losses).sum() / len(rows)

    stage = Stage("classifier", {"classifier": model}, loss, config.classifier_lr, ema_decay=0.998)
    run_stage(stage, length, folder, config)
    return model.eval()


def _examples(bucket: Bucket, folder: Path, held_out: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All pictures as uint8 [N, 3, 64, 64], with their labels [N, heads]; kept in the folder."""

    def make() -> tuple[torch.Tensor, torch.Tensor]:
        scenes = [sample_scene(FIRST_SEED + number) for number in range(len(bucket.pictures))]
        parts = [_shrink(bucket.pictures[i : i + 512]) for i in range(0, len(scenes), 512)]
        for kind in KINDS:
            extra = [sample_held_out(HELD_OUT_SEED + n, kind) for n in range(held_out)]
            for start in range(0, len(extra), 512):
                drawn = [draw_scene(s, *BUCKETS[0]) for s in extra[start : start + 512]]
                parts.append(_shrink(np.stack([np.asarray(picture) for picture in drawn])))
            scenes += extra
        return torch.cat(parts), torch.tensor([label(scene) for scene in scenes])

    made_of = digest([str(held_out).encode(), numbers(bucket.pictures)])
    with parallel.first_alone():
        return keep(folder / "classifier-pictures.pt", made_of, make)


def _shrink(pictures: NDArray[np.uint8]) -> torch.Tensor:
    return ((to_pixels(pictures) + 1) * 127.5).round().to(torch.uint8)


def judge_accuracy(model: Classifier, count: int = 256, seed: int = 5_000_000) -> dict[str, float]:
    """Share of fresh held-out renders told right: the ceiling of what it can say of a model."""
    scores = {}
    for kind in KINDS:
        scenes = [sample_held_out(seed + number, kind) for number in range(count)]
        told = model.tell(to_pixels([draw_scene(s, *BUCKETS[0]) for s in scenes]))
        right = [
            facts(scene).items() <= answer.items()
            for scene, answer in zip(scenes, told, strict=True)
        ]
        scores[kind] = sum(right) / count
    return scores


def save_classifier(model: Classifier, path: Path) -> None:
    """Writes it as fp16 safetensors, the meaning of its classes in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    save_file(tensors, path, metadata={"heads": json.dumps(HEADS)})


def load_classifier(path: Path) -> Classifier:
    """Reads what `save_classifier` wrote; in evaluation mode."""
    model = Classifier()
    stored = load_file(path)
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in stored.items()})
    return model.eval()
