"""What sees form: sentence nearest neighbour, precision and recall in ImageNet features, a critic.

Each kept measure tells renders through the autoencoder from what models draw by at least five
standard errors; `docs/miniature-measures.md` has the figures, and what did not see it.
"""

from __future__ import annotations

import logging
import math
from typing import Protocol

import torch
from diffusers import AutoencoderTiny
from PIL import Image

from .autoencoder import picture_bytes, round_trip
from .critic import critic_accuracy
from .imagenet import MISSING, load_imagenet
from .metrics import mean_and_error, precision_and_recall
from .picture import draw_scene
from .sentence_nn import SentenceScore, measure, read_sentences, reconstructions
from .suites import BEST, balanced, describe
from .world import PAINTED, SHARP, sample_held_out

CHOSEN = "4"  # the only model that also draws wide and tall, and that the critic looks at
REAL = 8  # renders of each sentence, among which pictures should be: a few nearest are of its own
CRITIC_SEED, CRITIC_STEPS = 6_000_000, 1000
SEED = 50_000  # of the models' pictures
log = logging.getLogger(__name__)


class Draw(Protocol):
    """Draws each prompt once, from seeds counted up from `seed`."""

    def __call__(
        self, prompts: list[str], seed: int, width: int = 256, height: int = 256
    ) -> list[Image.Image]: ...


class Form:
    """Collects what every model reaches, beginning with the reconstruction."""

    def __init__(
        self, vae: AutoencoderTiny, each: int, seeds: int, stretched: int, told_apart: int
    ) -> None:
        """Draws and encodes what models are compared with.

        Args:
            each: sentences of every subject.
            seeds: pictures of each sentence.
            stretched: sentences of every subject, wide and tall.
            told_apart: pictures of other prompts, and as many renders, for the critic.
        """
        self.vae, self.seeds, self.told_apart = vae, seeds, told_apart
        self.critic: tuple[float, float] | None = None
        square, *others = PAINTED
        wanted = {square: each} | dict.fromkeys(others if stretched else (), stretched)
        self.sentences = {
            size: read_sentences(vae, balanced(count), size) for size, count in wanted.items()
        }
        self.scores: dict[tuple[int, int], dict[str, SentenceScore]] = {
            size: {} for size in self.sentences
        }
        self.precision_recall: dict[str, tuple[float, float]] = {}
        self.imagenet = load_imagenet()
        if self.imagenet is None:
            log.warning(MISSING)
        else:
            # Through the autoencoder too: what it loses must not hide everything else.
            real = reconstructions(vae, self.sentences[square], REAL, after=seeds)
            self.real = self.imagenet(real)
        for size, known in self.sentences.items():
            self._add(BEST, size, reconstructions(vae, known, seeds))

    def add(self, name: str, draw: Draw) -> None:
        """Measures one model."""
        for size, known in self.sentences.items():
            if size == PAINTED[0] or name == CHOSEN:
                prompts = [s.task.prompt for s in known for _ in range(self.seeds)]
                self._add(name, size, draw(prompts, SEED, *size))
        if name == CHOSEN and self.told_apart:
            self.critic = self._ask_critic(draw)

    def _ask_critic(self, draw: Draw) -> tuple[float, float]:
        scenes = [sample_held_out(CRITIC_SEED + n) for n in range(self.told_apart)]
        fake = draw([describe(scene) for scene in scenes], CRITIC_SEED)
        drawn = [draw_scene(scene, *PAINTED[0]) for scene in scenes]
        unseen = self.told_apart // 5
        real = round_trip(self.vae, drawn)
        return critic_accuracy(_small(real), _small(fake), unseen, CRITIC_STEPS)

    def _add(self, name: str, size: tuple[int, int], pictures: list[Image.Image]) -> None:
        self.scores[size][name] = measure(self.vae, self.sentences[size], pictures)
        if size == PAINTED[0] and self.imagenet is not None:
            self.precision_recall[name] = precision_and_recall(self.real, self.imagenet(pictures))

    def report(self) -> dict[str, object]:
        """All of it by model, ready for JSON; what could not be measured is null."""
        square, *others = self.scores
        scores = self.scores[square]
        best = torch.tensor(scores[BEST].by_prompt)
        sigmas, ratios = {}, {}
        for name, score in scores.items():
            if name != BEST:
                own = torch.tensor(score.by_prompt)
                mean, error = mean_and_error(own - best)  # of the same prompts
                sigmas[name] = round(mean / error, 1)
                ratios[name] = round(math.exp((own / best).log().mean()), 3)
        report: dict[str, object] = {
            "sentence_nn": _all(scores, "mean"),
            "sentence_nn_error": _all(scores, "error"),
            "sentence_nn_sigmas": sigmas,  # standard errors away from the reconstruction
            "sentence_nn_ratio": ratios,  # to the reconstruction, geometric mean over prompts
            "sentence_diversity": _all(scores, "diversity"),
            "sentence_nn_by_subject": {
                name: {subject: round(value, 3) for subject, value in score.by_subject.items()}
                for name, score in scores.items()
            },
            "sentence_nn_by_size": {
                "x".join(map(str, size)): _all(self.scores[size], "mean") for size in others
            },
        }
        for place, key in enumerate(("imagenet_precision", "imagenet_recall")):
            values = {name: round(pair[place], 3) for name, pair in self.precision_recall.items()}
            report[key] = values or None
        if self.seeds < REAL:  # then neighbours are of other sentences, and everything is reached
            report["imagenet_recall"] = None
        report["critic_accuracy"] = self.critic and {
            CHOSEN: round(self.critic[0], 3),
            "error": round(self.critic[1], 3),
            "pictures": self.told_apart,
        }
        return report


def _small(pictures: list[Image.Image]) -> torch.Tensor:
    """Half as wide and high, [N, 3, 128, 128] uint8: form is seen as well, in a quarter of time."""
    return picture_bytes([picture.reduce(SHARP) for picture in pictures])


def _all(scores: dict[str, SentenceScore], key: str) -> dict[str, float]:
    return {name: round(getattr(score, key), 4) for name, score in scores.items()}
