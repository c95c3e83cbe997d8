"""Measures an exported model: does it draw what is asked, as varied and sharp as its teacher?"""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from PIL import Image
from tqdm import tqdm

from . import suites
from .autoencoder import encode_pictures, picture_pixels, psnr
from .classifier import Classifier, judge_accuracy, load_classifier, to_pixels
from .config import TrainingConfig
from .form import Form
from .metrics import diversity, frechet_distance, sharpness
from .picture import draw_scene
from .sheet import Drawer
from .speed import one_core_ms
from .suites import MODELS, Task
from .world import BUCKETS, sample_held_out

CLASSIFIER = Path("evaluation", "classifier.safetensors")
TEACHER_STEPS = 32


@dataclass(frozen=True, slots=True)
class Size:
    """How many prompts of each kind are drawn."""

    one: int = 192
    two: int = 192
    counts: int = 96
    bare_seeds: int = 5
    varied: int = 24  # prompts, each drawn with four seeds
    renders: int = 1536  # real pictures for the Fréchet distance
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
    varied=6,
    renders=384,
    sentences=1,
    sentence_seeds=2,
    stretched=0,
    told_apart=0,
)
SEEDS_EACH = 4


@dataclass(frozen=True, slots=True)
class Score:
    """What one model reached; shares from 0 to 1."""

    one_subject: float
    two_subjects: float
    pair_names: float  # of the two subjects: both are there, in whatever order and colour
    pair_colours: float  # both colours are there, on whichever of the two
    counts: float
    bare_prompts: float
    frechet: float  # in the classifier's features
    frechet_latents: float  # in the autoencoder's latents, averaged to 4x4
    diversity: float  # relative to renders
    sharpness: float  # relative to renders
    seconds_per_picture: float


@dataclass(frozen=True)
class References:
    """What every model is compared with: renders of the same held-out combinations."""

    features: torch.Tensor
    latents: torch.Tensor
    sharpness: float
    diversity: float


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
    compared = [t for t in (*tasks["one_subject"], *tasks["two_subjects"])]
    references = _references(compared, size, judge, vae)
    form = Form(vae, size.sentences, size.sentence_seeds, size.stretched, size.told_apart)
    runs: dict[str, UNet2DConditionModel | None] = dict.fromkeys(MODELS)
    runs |= {f"{steps}-unet": unet for steps, unet in (unets or {}).items()}
    scores = {}
    for name, unet in tqdm(runs.items(), desc="models"):
        scores[name] = _score(folder, name, unet, tasks, size, judge, vae, references, form)
    fresh = np.stack(
        [np.asarray(draw_scene(_fresh(n), *BUCKETS[0])) for n in range(size.round_trips)]
    )
    report: dict[str, object] = {
        key: {name: round(getattr(score, key), 4) for name, score in scores.items()}
        for key in ("one_subject", "two_subjects", "counts", "bare_prompts")
    }
    ratio = scores["4"].frechet / scores["teacher"].frechet
    return (
        form.report()
        | report
        | {
            "frechet_ratio_4_to_teacher": round(ratio, 3),
            "diversity": round(scores["4"].diversity, 3),
            "autoencoder_psnr_db": round(psnr(vae, vae.decoder, fresh, torch.device("cpu")), 2),
            "judge_accuracy": {k: round(v, 4) for k, v in judge_accuracy(judge).items()},
            "one_core_ms": one_core_ms(folder),
            "prompts": {key: len(kind) for key, kind in tasks.items()},
            "models": {name: _rounded(asdict(score)) for name, score in scores.items()},
        }
    )


def steps_and_guidance(model: str) -> tuple[int, float]:
    """How a model of the report is run: its inference steps and guidance scale."""
    if model == "teacher":
        return TEACHER_STEPS, TrainingConfig().distill_guidance_scale
    return int(model.partition("-")[0]), 0.0


def _fresh(number: int):  # type: ignore[no-untyped-def]
    kinds = ("one", "pair", "counts")
    return sample_held_out(7_000_000 + number, kinds[number % len(kinds)])  # type: ignore[arg-type]


def _score(
    folder: Path,
    name: str,
    unet: UNet2DConditionModel | None,
    tasks: dict[str, list[Task]],
    size: Size,
    judge: Classifier,
    vae: AutoencoderTiny,
    references: References,
    form: Form,
) -> Score:
    draw = Drawer(folder, *steps_and_guidance(name), unet)
    started = time.perf_counter()
    prompts = [task.prompt for kind in tasks.values() for task in kind]
    pictures = draw(prompts, 0)
    seconds = (time.perf_counter() - started) / len(prompts)
    pixels = to_pixels(pictures)
    told = judge.tell(pixels)
    shares, start = {}, 0
    for key, kind in tasks.items():
        answers = told[start : start + len(kind)]
        start += len(kind)
        right = [t.asked.items() <= a.items() for t, a in zip(kind, answers, strict=True)]
        shares[key] = sum(right) / len(kind)
    first = len(tasks["one_subject"])
    count = first + len(tasks["two_subjects"])
    pairs = list(zip(tasks["two_subjects"], told[first:count], strict=True))
    varied = [task.prompt for task in tasks["one_subject"][: size.varied]]
    again = to_pixels([p for seed in range(SEEDS_EACH) for p in draw(varied, 1000 * (seed + 1))])
    form.add(name, draw)
    with torch.inference_mode():
        features = judge.features(pixels[:count])
        spread = judge.features(again).view(SEEDS_EACH, size.varied, -1).transpose(0, 1)
        latents = _latents(vae, pictures[:count])
    return Score(
        **shares,
        pair_names=sum(suites.same_set(t.asked, a, "name") for t, a in pairs) / len(pairs),
        pair_colours=sum(suites.same_set(t.asked, a, "colour") for t, a in pairs) / len(pairs),
        frechet=frechet_distance(features, references.features),
        frechet_latents=frechet_distance(latents, references.latents),
        diversity=diversity(spread) / references.diversity,
        sharpness=sharpness(picture_pixels(pictures[:count])) / references.sharpness,
        seconds_per_picture=seconds,
    )


def _references(
    tasks: list[Task], size: Size, judge: Classifier, vae: AutoencoderTiny
) -> References:
    rng = random.Random(1)  # noqa: S311
    scenes = [tasks[n % len(tasks)].scene for n in range(size.renders)]
    real = [draw_scene(replace(s, detail=rng.getrandbits(32)), *BUCKETS[0]) for s in scenes if s]
    again = [
        draw_scene(replace(task.scene, detail=rng.getrandbits(32)), *BUCKETS[0])
        for task in tasks[: size.varied]
        if task.scene
        for _ in range(SEEDS_EACH)
    ]
    with torch.inference_mode():
        spread = judge.features(to_pixels(again)).view(size.varied, SEEDS_EACH, -1)
        return References(
            features=judge.features(to_pixels(real)),
            latents=_latents(vae, real),
            sharpness=sharpness(picture_pixels(real[: len(tasks)])),
            diversity=diversity(spread),
        )


def _latents(vae: AutoencoderTiny, pictures: list[Image.Image]) -> torch.Tensor:
    """[N, 64]: the autoencoder's latents averaged to 4x4."""
    return torch.nn.functional.adaptive_avg_pool2d(encode_pictures(vae, pictures), 4).flatten(1)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}
