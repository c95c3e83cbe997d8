"""`bench together`: several people's pictures by the engine, beside `pipe(...)` one after another.

Everybody asks for the next picture when the last one has come. The engine shares UNet calls among
them; the same engine one row at a time shows how much of it is the sharing.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Any

import torch

from ..engine.base import Work, final_frame
from ..engine.build import about
from ..engine.latency_model import LatencyModel
from ..engine.local import LocalEngine
from ..model.compile.speed import Speed
from ..model.loading import Components
from ..model.sampling.sampler import Sampler
from ..schemas import ROW_BUCKETS, GenerationRequest
from . import report
from .bench_model import load_bench_model
from .peers.pipe import Pipe

PICTURES = 2  # of each person, a round
POLL = 0.005  # seconds
WAYS = {
    "pipe": "pipe(...), one after another",
    "one_by_one": "the engine, one row a call",
    "together": "the engine, rows together",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench together`."""
    parser.add_argument("--users", type=report.positive, default=8, help="default: 8")
    report.add_model(parser, "thin")
    report.add_steps(parser)
    parser.add_argument("--rounds", type=report.positive, default=5, help="default: 5")
    report.add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    torch.set_num_threads(args.threads)
    model = load_bench_model(args.weights, args.device)
    components = model.components
    pipe = Pipe(components, components.dtype)
    pipe.take(args.num_inference_steps)

    def people() -> list[list[GenerationRequest]]:
        steps = args.num_inference_steps
        return [[model.request(steps) for _ in range(PICTURES)] for _ in range(args.users)]

    def pipeline() -> None:
        for requests in people():
            for request in requests:
                pipe.jpeg(request)

    shared, alone = LatencyModel(), LatencyModel()
    size = components.spec.sizes[0]
    alone.lower("step", size, ROW_BUCKETS[1])
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}

    async def compare() -> None:
        engines = {
            "one_by_one": await _ready(components, alone),
            "together": await _ready(components, shared),
        }
        for number in range(args.rounds + 1):
            for name, taken in seconds.items():
                begun = time.perf_counter()
                if name in engines:
                    await asyncio.gather(*(_ask(engines[name], each) for each in people()))
                else:
                    await asyncio.to_thread(pipeline)
                if number:  # the first warms up
                    taken.append(time.perf_counter() - begun)
        for engine in engines.values():
            await engine.aclose()

    asyncio.run(compare())
    pictures = args.users * PICTURES
    rates = {
        name: round(pictures / report.percentile(taken, 0.5), 2) for name, taken in seconds.items()
    }
    rows = [
        [label, f"{rates[name]:.2f}", f"{rates[name] / rates['pipe']:.2f}x"]
        for name, label in WAYS.items()
    ]
    heads = [f"{args.users} people, {model.weights}", "pictures/s", "of pipe(...)"]
    print(report.table(heads, rows))
    return {
        "benchmark": "together",
        "weights": model.weights,
        "users": args.users,
        "num_inference_steps": args.num_inference_steps,
        "rounds": args.rounds,
        "threads": args.threads,
        "rows_in_a_call": shared.cap("step", size),
        "pictures_per_second": rates,
        "speedup_vs_pipe": round(rates["together"] / rates["pipe"], 2),
        "speedup_vs_one_by_one": round(rates["together"] / rates["one_by_one"], 2),
        **report.environment(),
    }


async def _ready(components: Components, known: LatencyModel) -> LocalEngine:
    """An engine that has its model, eager as pipe(...) is."""
    engine = LocalEngine(
        lambda report: Sampler(components, Speed()), about(components.spec), latency_model=known
    )
    while engine.status().state == "loading":  # noqa: ASYNC110 - an engine has no event for it
        await asyncio.sleep(POLL)
    return engine


async def _ask(engine: LocalEngine, requests: Sequence[GenerationRequest]) -> None:
    for request in requests:
        await final_frame(engine, Work(request))
