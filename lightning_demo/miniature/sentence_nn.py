"""Sentence nearest neighbour: how far a picture is from the nearest render of its own sentence.

It sees form, to which the judge is blind. It measures pictures, and knows nothing of who drew them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from tqdm import tqdm

from .autoencoder import encode_pictures, round_trip
from .metrics import diversity, mean_and_error
from .picture import draw_scene
from .suites import Task

RENDERS = 160  # of a sentence; the nearest of them counts
SHIFT = 1  # latents that a picture may be moved by, in each direction


@dataclass(frozen=True)
class Sentence:
    """A prompt and what renders of it look like."""

    task: Task
    size: tuple[int, int]  # width and height as painted, px
    renders: torch.Tensor  # [R, 4, h, w]
    diversity: float

    @property
    def subject(self) -> str:
        """What the sentence is about."""
        return self.task.asked["name"]


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """What the pictures of one model reached; lower is nearer to a render."""

    mean: float
    error: float  # one standard error of the mean, over prompts
    diversity: float  # of the pictures of a prompt, relative to its renders
    by_subject: dict[str, float]
    by_prompt: tuple[float, ...]


def read_sentences(
    vae: AutoencoderTiny, tasks: list[Task], size: tuple[int, int]
) -> list[Sentence]:
    """Draws every task's scene `RENDERS` times, with only `detail` changed, and encodes it."""
    sentences = []
    for task in tqdm(tasks, "renders, {}x{}".format(*size), leave=False):
        latents = encode_pictures(vae, list(_renders(task, size, range(RENDERS))))
        apart = diversity(thing(latents).flatten(1)[None])
        sentences.append(Sentence(task, size, latents, apart))
    return sentences


def reconstructions(
    vae: AutoencoderTiny, sentences: list[Sentence], seeds: int, after: int = 0
) -> list[Image.Image]:
    """Further renders of each sentence, through the autoencoder: the best that a model can draw.

    The seeds of one sentence stand together, as `measure` expects.

    Args:
        after: as many further renders are left out first.
    """
    further = range(RENDERS + after, RENDERS + after + seeds)
    drawn = [p for s in sentences for p in _renders(s.task, s.size, further)]
    return round_trip(vae, drawn)


def measure(
    vae: AutoencoderTiny, sentences: list[Sentence], pictures: list[Image.Image]
) -> SentenceScore:
    """Scores as many pictures of each sentence as there are, those of one sentence together."""
    latents = encode_pictures(vae, pictures)
    latents = latents.view(len(sentences), -1, *latents.shape[1:])
    distances = [nearest(z, s.renders).mean() for z, s in zip(latents, sentences, strict=True)]
    mean, error = mean_and_error(torch.stack(distances))
    apart = [diversity(thing(z).flatten(1)[None]) for z in latents]
    subjects: dict[str, list[float]] = {}
    for sentence, distance in zip(sentences, distances, strict=True):
        subjects.setdefault(sentence.subject, []).append(float(distance))
    return SentenceScore(
        mean,
        error,
        sum(apart) / sum(sentence.diversity for sentence in sentences),
        {name: sum(values) / len(values) for name, values in subjects.items()},
        tuple(float(distance) for distance in distances),
    )


def nearest(samples: torch.Tensor, renders: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of each sample to the nearest render, where the thing stands, [S].

    A sample may be moved by `SHIFT` latents: that is no fault of its form.

    Args:
        samples: [S, 4, h, w].
        renders: [R, 4, h, w].
    """
    known = thing(renders).flatten(1)
    moved = torch.stack([thing(samples, *shift).flatten(1) for shift in _shifts()], dim=1)
    # |a - b|^2 by subtraction: by products, rounding makes the distance to itself more than 0.
    squares = torch.cdist(moved, known, compute_mode="donot_use_mm_for_euclid_dist").square()
    return squares.flatten(1).amin(1) / known.shape[1]


def thing(latents: torch.Tensor, down: int = 0, right: int = 0) -> torch.Tensor:
    """The part of a picture where a single thing stands: rows 5 to 14, columns 3 to 12 of 16.

    The ground is below it, and pictures of other shapes are the same with more beside or above.
    """
    height, width = latents.shape[-2:]
    across = 5 * min(height, width) // 16
    top, bottom = 5 * height // 16 + down, 15 * height // 16 + down
    left, end = width // 2 - across + right, width // 2 + across + right
    return latents[..., top:bottom, left:end]


def _shifts() -> list[tuple[int, int]]:
    reach = range(-SHIFT, SHIFT + 1)
    return [(down, right) for down in reach for right in reach]


def _renders(task: Task, size: tuple[int, int], details: range) -> Iterator[Image.Image]:
    assert task.scene is not None  # noqa: S101
    for detail in details:
        yield draw_scene(replace(task.scene, detail=detail), *size)
