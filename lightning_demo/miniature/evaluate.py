"""Measures an exported model: does it draw what is asked, and is that well drawn?"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from tqdm import tqdm

from . import suites
from .autoencoder import picture_pixels, psnr
from .classifier import KINDS, Classifier, judge_accuracy, load_classifier, to_pixels
from .config import TrainingConfig
from .form import Form
from .metrics import sharpness
from .picture import draw_scene
from .sheet import Drawer
from .speed import one_core_ms
from .suites import MODELS, Task
from .world import PAINTED, sample_held_out

CLASSIFIER = Path("evaluation", "classifier.safetensors")
TEACHER_STEPS = 32


@dataclass(frozen=True, slots=True)
class Size:
    """How many prompts of each kind are drawn."""

    one: int = 192
    two: int = 192
    counts: int = 96
    bare_seeds: int = 5
    round_trips: int = 256  # pictures through the autoencoder and back
    sentences: int = 2  # of every subject, for the nearest neighbour
    sentence_seeds: int = 8  # pictures of each sentence
    stretched: int = 1  # sentences of every subject, wide and tall
    told_apart: int = 2500  # pictures, and as many renders, for the critic


FULL = Size()
FAST = Size(
    one=48,
    two=48,
    counts=24,
    bare_seeds=1,
    sentences=1,
    sentence_seeds=2,
    stretched=0,
    told_apart=0,
)


@dataclass(frozen=True, slots=True)
class Score:
    """What one model reached; shares from 0 to 1."""

    one_subject: float
    two_subjects: float
    pair_names: float  # of the two subjects: both are there, in whatever order and colour
    pair_colours: float  # both colours are there, on whichever of the two
    counts: float
    bare_prompts: float
    sharpness: float  # relative to renders of the same scenes
    seconds_per_picture: float


def evaluate(folder: Path, size: Size, unets: dict[str, UNet2DConditionModel] | None = None):  # type: ignore[no-untyped-def]
    """Every step count and the teacher of an exported folder.

    Args:
        unets: whole students by step count, compared with the LoRAs made of them.

    Returns: everything measured, ready for JSON.
    """
    judge = load_classifier(folder / CLASSIFIER)
    vae = AutoencoderTiny.from_pretrained(
        folder / "base" / "vae", variant="fp16", torch_dtype=torch.float32
    ).eval()
    tasks = {
        "one_subject": suites.one_subject(size.one),
        "two_subjects": suites.two_subjects(size.two),
        "counts": suites.counts(size.counts),
        "bare_prompts": suites.bare_prompts(size.bare_seeds),
    }
    form = Form(vae, size.sentences, size.sentence_seeds, size.stretched, size.told_apart)
    runs: dict[str, UNet2DConditionModel | None] = dict.fromkeys(MODELS)
    runs |= {f"{steps}-unet": unet for steps, unet in (unets or {}).items()}
    scores = {}
    for name, unet in tqdm(runs.items(), desc="models"):
        draw = Drawer(folder, *steps_and_guidance(name), unet)
        scores[name] = _score(draw, tasks, judge)
        form.add(name, draw)
    pixels = _fresh_renders(size.round_trips)
    shown = form.report()
    shares = {
        key: {name: round(getattr(score, key), 4) for name, score in scores.items()}
        for key in tasks
    }
    rest = {
        "diversity": round(shown["sentence_diversity"]["4"], 3),
        "autoencoder_psnr_db": round(psnr(vae, vae.decoder, pixels, torch.device("cpu")), 2),
        "judge_accuracy": _rounded(judge_accuracy(judge)),
        "one_core_ms": one_core_ms(folder),
        "prompts": {key: len(kind) for key, kind in tasks.items()},
        "models": {name: _rounded(asdict(score)) for name, score in scores.items()},
    }
    return shown | shares | rest


def steps_and_guidance(model: str) -> tuple[int, float]:
    """How a model of the report is run: its inference steps and guidance scale."""
    if model == "teacher":
        return TEACHER_STEPS, TrainingConfig().distill_guidance_scale
    return int(model.partition("-")[0]), 0.0


def _fresh_renders(count: int) -> np.ndarray:
    """Pictures of nobody's training, of every kind in turn, [N, H, W, 3] uint8."""
    scenes = [sample_held_out(7_000_000 + n, KINDS[n % len(KINDS)]) for n in range(count)]
    return np.stack([np.asarray(draw_scene(scene, *PAINTED[0])) for scene in scenes])


def _score(draw: Drawer, tasks: dict[str, list[Task]], judge: Classifier) -> Score:
    every = [task for kind in tasks.values() for task in kind]
    started = time.perf_counter()
    pictures = draw([task.prompt for task in every])
    seconds = (time.perf_counter() - started) / len(every)
    told = judge.tell(to_pixels(pictures))
    answered = list(zip(every, told, strict=True))
    shares, start = {}, 0
    for key, kind in tasks.items():
        part = answered[start : start + len(kind)]
        start += len(kind)
        shares[key] = _share(task.asked.items() <= answer.items() for task, answer in part)
    pairs = [(task.asked, answer) for task, answer in answered if "name_2" in task.asked]
    one = [task.scene for task in tasks["one_subject"] if task.scene]
    renders = [draw_scene(scene, *PAINTED[0]) for scene in one]
    drawn = sharpness(picture_pixels(pictures[: len(one)]))
    return Score(
        **shares,
        pair_names=_share(suites.same_set(asked, answer, "name") for asked, answer in pairs),
        pair_colours=_share(suites.same_set(asked, answer, "colour") for asked, answer in pairs),
        sharpness=drawn / sharpness(picture_pixels(renders)),
        seconds_per_picture=seconds,
    )


def _share(right: Iterable[bool]) -> float:
    values = list(right)
    return sum(values) / len(values)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}
