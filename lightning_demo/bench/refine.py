"""`bench refine`: what follows a draft, how far the picture jumps then, and what it costs.

Three ways from a draft of few steps to the picture that was asked for, all from the same noise:

* **resampled**: the draft is a picture of its own; the asked one is painted from the beginning.
* **locked**: the asked run goes on from the draft's latents at a sigma that both step counts have
  (the grids nest: timestep 499 is in 2, 4 and 8 steps), so that its composition is the draft's.
* **preview**: there is no draft; what is shown is the asked run's own estimate after some steps.

Distances do not depend on the machine or on what else it does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from ..miniature.classifier import Classifier, load_classifier, to_pixels
from ..miniature.evaluate import CLASSIFIER
from ..miniature.suites import Task, counts, one_subject, two_subjects
from ..model.loading import load_components
from ..model.sampling.sampler import Sampler
from ..model.sampling.schedule import schedule
from ..model.weights.checkpoints import MINIATURE
from ..schemas import GenerationRequest
from . import report

PAIRS = ((2, 4), (2, 8), (4, 8))  # steps of the draft, steps asked for

Picture = NDArray[np.uint8]  # [height, width, 3]


@dataclass(frozen=True, slots=True)
class Run:
    """One request from noise to picture."""

    request: GenerationRequest
    latents: tuple[torch.Tensor, ...]  # after 0, 1, … steps
    previews: tuple[Picture, ...]  # the estimate after 1, 2, … steps by the preview decoder
    picture: Picture  # by the full decoder


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture to look at while the asked one is painted, and the one that then stays."""

    draft: Picture
    settled: Picture
    asked: Picture  # what `pipe(...)` would have given
    unet_steps: int  # from nothing to the settled picture


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench refine`."""
    parser.add_argument("--prompts", type=report.positive, default=96, help="default: 96")
    report.add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    torch.set_num_threads(args.threads)
    sampler = Sampler(load_components(MINIATURE, "cpu"))
    folder = MINIATURE.lightning.folder
    assert folder is not None  # noqa: S101
    judge = load_classifier(folder.parent / CLASSIFIER)
    tasks = _tasks(args.prompts)
    found: dict[tuple[str, str], list[Pair]] = {}
    for seed, task in enumerate(tqdm(tasks, desc="prompts")):
        runs = _runs(sampler, task.prompt, seed)
        again = _runs(sampler, task.prompt, seed + len(tasks))
        for draft, asked in PAIRS:
            pairs = ways(sampler, runs[draft], runs[asked])
            wanted = runs[asked].picture
            pairs["another seed"] = Pair(again[asked].picture, wanted, wanted, asked)
            for name, pair in pairs.items():
                found.setdefault((f"{draft} -> {asked}", name), []).append(pair)
    measured: dict[str, dict[str, Any]] = {}
    for (steps, name), items in found.items():
        measured.setdefault(steps, {})[name] = _measure(judge, tasks, items)
    _print(measured)
    settings = {"prompts": len(tasks), "threads": args.threads}
    return {"benchmark": "refine", "pairs": measured, **settings, **report.environment()}


def paint(
    sampler: Sampler,
    request: GenerationRequest,
    latents: torch.Tensor | None = None,
    step: int = 0,
) -> Run:
    """Paints a request, from its own noise or from given latents that have done `step` steps."""
    row = sampler.begin(request)
    if latents is not None:
        row.latents, row.step = latents, step
    states, previews = [row.latents], []
    while not row.done:
        sampler.step([row])
        states.append(row.latents)
        previews.append(sampler.preview(row))
    return Run(request, tuple(states), tuple(previews), sampler.finish(row))


def shared_steps(draft: int, asked: int) -> list[tuple[int, int]]:
    """Steps done by (draft, asked) where both are at the same sigma, but for beginning and end."""
    fewer, more = (schedule(steps, "epsilon").timesteps for steps in (draft, asked))
    return [(fewer.index(t), more.index(t)) for t in fewer[1:] if t in more]


def ways(sampler: Sampler, draft: Run, asked: Run) -> dict[str, Pair]:
    """All ways from this draft to the picture asked for, by name.

    What is shown before the end is decoded by the preview decoder, as in the product.
    """
    few, many = draft.request.num_inference_steps, asked.request.num_inference_steps
    shown = draft.previews[-1]
    pairs = {"resampled": Pair(shown, asked.picture, asked.picture, few + many)}
    for done, at in shared_steps(few, many):
        settled = paint(sampler, asked.request, draft.latents[done], at).picture
        timestep = schedule(many, "epsilon").timesteps[at]
        pairs[f"locked at {timestep:.0f}"] = Pair(shown, settled, asked.picture, few + many - at)
    for done, preview in enumerate(asked.previews, 1):
        pairs[f"preview after {done}"] = Pair(preview, asked.picture, asked.picture, many)
    return pairs


@torch.inference_mode()
def perceptual(judge: Classifier, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """[B]: LPIPS (Zhang et al., arXiv 1801.03924) on the judge's features, all weights 1.

    After each convolution the features are brought to length 1 at every place; the squared
    differences are averaged over the picture and summed over the layers.

    Args:
        first, second: as `classifier.to_pixels` gives them.
    """
    distance = torch.zeros(len(first))
    for layer in judge.body:
        if isinstance(layer, nn.Flatten):
            break
        first, second = layer(first), layer(second)
        if isinstance(layer, nn.ReLU):
            one, two = (functional.normalize(each, dim=1) for each in (first, second))
            distance += (one - two).square().sum(dim=1).mean(dim=(1, 2))
    return distance


def _tasks(prompts: int) -> list[Task]:
    """Held-out prompts: half of one subject, a quarter of two, a quarter of counts."""
    half, quarter = prompts - 2 * (prompts // 4), prompts // 4
    return [*one_subject(half), *two_subjects(quarter), *counts(quarter)]


def _runs(sampler: Sampler, prompt: str, seed: int) -> dict[int, Run]:
    """The prompt at every step count."""
    size = MINIATURE.limits.sizes[0]
    return {
        steps: paint(sampler, GenerationRequest(prompt, "", steps, 0.0, seed, *size))
        for steps in sorted(set(chain(*PAIRS)))
    }


def _measure(judge: Classifier, tasks: Sequence[Task], pairs: Sequence[Pair]) -> dict[str, Any]:
    drafts = np.stack([pair.draft for pair in pairs])
    settled = np.stack([pair.settled for pair in pairs])
    asked = np.stack([pair.asked for pair in pairs])
    return {
        "jump": distances(judge, drafts, settled),
        "from_asked": distances(judge, settled, asked),
        "draft_accuracy": accuracy(judge, tasks, drafts),
        "settled_accuracy": accuracy(judge, tasks, settled),
        "unet_steps": pairs[0].unet_steps,
    }


def _print(measured: dict[str, dict[str, Any]]) -> None:
    rows = [
        [
            f"{steps}  {name}",
            *(f"{values['jump'][key]:.1f}" for key in ("mean", "rmse")),
            f"{values['jump']['perceptual']:.3f}",
            f"{values['from_asked']['mean']:.1f}",
            *(f"{values[key]:.0%}" for key in ("draft_accuracy", "settled_accuracy")),
            str(values["unet_steps"]),
        ]
        for steps, ways_of in measured.items()
        for name, values in ways_of.items()
    ]
    heads = ["draft -> asked", "jump", "rmse", "perceptual", "from asked"]
    print(report.table([*heads, "draft right", "settled right", "UNet steps"], rows))
    print("jump, rmse, from asked: levels of 255; right: by the judge of `miniature evaluate`")


def distances(judge: Classifier, first: Picture, second: Picture) -> dict[str, float]:
    """How far two stacks of pictures [B, height, width, 3] are apart, averaged over the stack."""
    difference = first.astype(np.float64) - second
    return {
        "mean": round(float(np.abs(difference).mean()), 3),
        "rmse": round(float(np.sqrt((difference**2).mean(axis=(1, 2, 3))).mean()), 3),
        "perceptual": round(
            float(perceptual(judge, to_pixels(first), to_pixels(second)).mean()), 4
        ),
    }


def accuracy(judge: Classifier, tasks: Sequence[Task], pictures: Picture) -> float:
    """The share of pictures [B, height, width, 3] that show all that their task asks for."""
    told = judge.tell(to_pixels(pictures))
    right = [t.asked.items() <= answer.items() for t, answer in zip(tasks, told, strict=True)]
    return round(sum(right) / len(right), 4)
