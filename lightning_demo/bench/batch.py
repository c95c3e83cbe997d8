"""`bench batch`: a list into a folder, beside the loop that the model's pages show for it.

The loop is theirs: `pipe(...)` for one prompt after another, each picture saved as PNG. Ours is
what the command `batch` does once its model is there: the list is read and checked, several
pictures are asked for beside each other and share UNet calls, and each goes into its file and the
manifest. Both have the same weights, eager, and paint the same pictures, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..engine.build import about
from ..engine.latency_model import LatencyModel
from ..engine.local import LocalEngine
from ..model.compile.speed import Speed
from ..model.sampling.sampler import Sampler
from ..schemas import GenerationRequest
from ..studio.manifest import Manifest, Origin
from ..studio.plan import COLUMNS, Picture, make_plan
from ..studio.run import by_engine, paint_plan
from ..studio.table import read_table
from . import report
from .bench_model import BenchModel, load_bench_model
from .peers.pipe import Pipe, call

QUIET = 10.0  # seconds in which ours measures what its calls cost, as a longer batch has in the end
POLL = 0.005  # seconds
APART = 4.0  # levels in the mean, above which two pictures are different ones
WAYS = {"loop": "pipe(...) in a loop", "batch": "our batch"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench batch`."""
    parser.add_argument(
        "--pictures", type=report.positive, default=48, help="of a list (default: 48)"
    )
    parser.add_argument(
        "--at-once",
        type=report.positive,
        default=16,
        help="asked for beside each other, as the command's own option (default: 16)",
    )
    report.add_model(parser, "thin")
    report.add_steps(parser)
    parser.add_argument("--rounds", type=report.positive, default=5, help="default: 5")
    report.add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    torch.set_num_threads(args.threads)
    model = load_bench_model(args.weights, args.device)
    pipe = Pipe(model.components, model.components.dtype)
    pipe.take(args.num_inference_steps)
    known = LatencyModel()
    with tempfile.TemporaryDirectory() as folder:
        seconds, apart = asyncio.run(_rounds(model, pipe, known, args, Path(folder)))
    rates = {
        name: round(args.pictures / report.percentile(taken, 0.5) * 3600)
        for name, taken in seconds.items()
    }
    speedup = round(rates["batch"] / rates["loop"], 2)
    rows = [
        [label, f"{rates[name]:,}", f"{rates[name] / rates['loop']:.2f}x"]
        for name, label in WAYS.items()
    ]
    print(report.table([f"{args.pictures} pictures, {model.weights}", "an hour", ""], rows))
    return {
        "benchmark": "batch",
        "weights": model.weights,
        "pictures": args.pictures,
        "at_once": args.at_once,
        "num_inference_steps": args.num_inference_steps,
        "rounds": args.rounds,
        "threads": args.threads,
        "rows_in_a_call": known.cap("step", model.components.spec.sizes[0]),
        "pictures_per_hour": rates,
        "speedup_vs_loop": speedup,
        "levels_apart": round(apart, 2),
        "checks": [
            {
                "name": "the pictures are pipe(...)'s",
                "status": "pass" if apart <= APART else "fail",
            }
        ],
        **report.environment(),
    }


async def _rounds(
    model: BenchModel, pipe: Pipe, known: LatencyModel, args: argparse.Namespace, folder: Path
) -> tuple[dict[str, list[float]], float]:
    """Seconds of both ways in each round, and how far apart the most different pictures are."""
    components = model.components
    engine = LocalEngine(
        lambda report: Sampler(components, Speed()), about(components.spec), latency_model=known
    )
    while engine.status().state == "loading":  # noqa: ASYNC110 - an engine has no event for it
        await asyncio.sleep(POLL)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    apart = 0.0
    for number in range(args.rounds + 1):
        asked = [
            model.request(args.num_inference_steps, seed=seed) for seed in range(args.pictures)
        ]
        own = folder / f"batch-{number}"
        begun = time.perf_counter()
        files = await _batch(engine, asked, own, args.at_once)
        between = time.perf_counter()
        if not number:
            await asyncio.sleep(QUIET)
        looped = time.perf_counter()
        theirs = await asyncio.to_thread(_loop, pipe, asked, folder / f"loop-{number}")
        if number:  # the first warms up
            seconds["batch"].append(between - begun)
            seconds["loop"].append(time.perf_counter() - looped)
        apart = max(apart, *map(_levels_apart, files, theirs))
    await engine.aclose()
    return seconds, apart


async def _batch(
    engine: LocalEngine, asked: Sequence[GenerationRequest], folder: Path, at_once: int
) -> list[Path]:
    """As the command does; the files in the order of the list."""
    plan = make_plan(read_table(_csv(asked), "csv", COLUMNS), engine.status().limits, {}, seed=0)
    manifest = Manifest(folder)
    manifest.begin(Origin("", 0))

    def name(picture: Picture) -> str:
        return picture.file(len(plan.pictures), "png")

    paint = by_engine(engine, "png")
    await paint_plan(plan.pictures, paint, folder, name, at_once, manifest.add, ())
    manifest.write_table()
    return [folder / name(picture) for picture in plan.pictures]


def _loop(pipe: Pipe, asked: Sequence[GenerationRequest], folder: Path) -> list[Path]:
    """As the pages do."""
    folder.mkdir()
    files = [folder / f"{number}.png" for number in range(len(asked))]
    for request, file in zip(asked, files, strict=True):
        call(pipe.pipeline, request).save(file)
    return files


def _csv(asked: Sequence[GenerationRequest]) -> bytes:
    text = io.StringIO()
    fields = [request.as_dict() for request in asked]
    writer = csv.DictWriter(text, list(fields[0]))
    writer.writeheader()
    writer.writerows(fields)
    return text.getvalue().encode()


def _levels_apart(one: Path, other: Path) -> float:
    """The mean difference of two pictures' values, 0 … 255."""
    first, second = (np.asarray(Image.open(path), dtype=np.int16) for path in (one, other))
    return float(np.abs(first - second).mean())
