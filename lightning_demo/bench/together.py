"""`bench together`: several people's pictures by the engine, beside `pipe(...)` one after another.

Everybody asks for the next picture when the last one has come. The engine shares UNet calls among
them; the same engine one row at a time shows how much of it is the sharing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from ..engine.base import Work, final_frame
from ..engine.build import about
from ..engine.latency_model import BUCKETS, LatencyModel
from ..engine.local import LocalEngine
from ..model.compile.speed import Speed
from ..model.sampling.sampler import Sampler
from ..schemas import GenerationRequest
from . import report
from .peers.pipe import Pipe
from .subject import Weights, subject

PICTURES = 2  # of each person, a round
POLL = 0.005  # seconds


def bench_together(
    weights: Weights, users: int, num_inference_steps: int, rounds: int, threads: int, device: str
) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    torch.set_num_threads(threads)
    model = subject(weights, device)
    components = model.components
    pipe = Pipe(components, components.dtype)
    pipe.take(num_inference_steps)

    def ask() -> list[GenerationRequest]:
        return [model.ask(num_inference_steps) for _ in range(PICTURES)]

    def pipeline() -> None:
        for request in (each for _ in range(users) for each in ask()):
            pipe.jpeg(request)

    shared, alone = LatencyModel(), LatencyModel()
    size = components.spec.sizes[0]
    alone.lower("step", size, BUCKETS[1])
    sampler = partial(Sampler, components, Speed())  # eager, as pipe(...) is
    seconds: dict[str, list[float]] = {"pipe": [], "one by one": [], "together": []}

    async def compare() -> None:
        engines = {
            name: LocalEngine(lambda report: sampler(), about(components.spec), latency_model=known)
            for name, known in (("one by one", alone), ("together", shared))
        }
        for engine in engines.values():
            while engine.status().state == "loading":  # noqa: ASYNC110
                await asyncio.sleep(POLL)
        for number in range(rounds + 1):
            for name, taken in seconds.items():
                begun = time.perf_counter()
                if name in engines:
                    await _paint(engines[name], [ask() for _ in range(users)])
                else:
                    await asyncio.to_thread(pipeline)
                if number:  # the first warms up
                    taken.append(time.perf_counter() - begun)
        for engine in engines.values():
            await engine.aclose()

    asyncio.run(compare())
    cap = shared.cap("step", size)
    return _result(seconds, model.weights, users, num_inference_steps, threads, cap)


async def _paint(engine: LocalEngine, people: Sequence[Sequence[GenerationRequest]]) -> None:
    async def person(requests: Sequence[GenerationRequest]) -> None:
        for request in requests:
            await final_frame(engine, Work(request))

    await asyncio.gather(*(person(requests) for requests in people))


def _result(
    seconds: dict[str, list[float]],
    weights: str,
    users: int,
    steps: int,
    threads: int,
    cap: int,
) -> dict[str, Any]:
    pictures = users * PICTURES
    rates = {
        name: round(pictures / report.percentile(taken, 0.5), 2) for name, taken in seconds.items()
    }
    rows = [
        [label, f"{rates[name]:.2f}", f"{rates[name] / rates['pipe']:.2f}x"]
        for name, label in (
            ("pipe", "pipe(...), one after another"),
            ("one by one", "the engine, one row a call"),
            ("together", "the engine, rows together"),
        )
    ]
    print(report.table([f"{users} people, {weights}", "pictures/s", "of pipe(...)"], rows))
    return {
        "benchmark": "together",
        "weights": weights,
        "users": users,
        "num_inference_steps": steps,
        "rounds": len(seconds["pipe"]),
        "threads": threads,
        "rows_in_a_call": cap,
        "pictures_per_second": {name.replace(" ", "_"): rate for name, rate in rates.items()},
        "speedup_vs_pipe": round(rates["together"] / rates["pipe"], 2),
        "speedup_vs_one_by_one": round(rates["together"] / rates["one by one"], 2),
        **report.environment(),
    }
