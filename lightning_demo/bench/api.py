"""`bench api`: what `POST /v1/pictures` costs beside the engine alone, and many clients at once.

The peer is what one would write first: a FastAPI server around `pipe(...)`, one picture at a time.
Both serve the same weights from this process, and everybody asks for JPEG.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import torch
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

from ..engine.base import Engine, Work, final_frame
from ..engine.build import about
from ..engine.local import LocalEngine
from ..model.compile.speed import Speed
from ..model.sampling.sampler import Sampler
from ..ports import free_port
from ..schemas import GenerationRequest
from ..settings import Settings
from ..web.server import Server
from . import report
from .bench_model import BenchModel, load_bench_model
from .peers.pipe import Pipe

POLL = 0.005  # seconds
PATIENCE = 600.0
CROWD = 50  # clients of whom none may lose a picture
Ask = Callable[[httpx.AsyncClient, GenerationRequest], Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench api`."""
    parser.add_argument("--users", type=report.positive, default=8, help="clients (default: 8)")
    report.add_model(parser, "thin")
    report.add_steps(parser)
    parser.add_argument("--rounds", type=report.positive, default=5, help="default: 5")
    report.add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    torch.set_num_threads(args.threads)
    model = load_bench_model(args.weights, args.device)
    found = asyncio.run(_compare(model, args))
    rows = [
        ["ours", f"{found['pictures_per_second']['ours']:.2f}"],
        ["FastAPI around pipe(...)", f"{found['pictures_per_second']['pipe']:.2f}"],
    ]
    print(report.table([f"{args.users} clients, {model.weights}", "pictures/s"], rows))
    print(f"one request over the engine's own time: {found['overhead_ms']['p50']:.1f} ms")
    return {
        "benchmark": "api",
        "weights": model.weights,
        "users": args.users,
        "num_inference_steps": args.num_inference_steps,
        "rounds": args.rounds,
        "threads": args.threads,
        **found,
        **report.environment(),
    }


async def _compare(model: BenchModel, args: argparse.Namespace) -> dict[str, Any]:
    steps = args.num_inference_steps
    engine = await _ready(model)
    server = Server(engine, Settings(port=0, model="miniature"))
    await asyncio.to_thread(server.start)
    pipe = Pipe(model.components, model.components.dtype)
    pipe.take(steps)
    seconds: dict[str, list[float]] = {"ours": [], "pipe": []}
    overhead, lost = [], 0
    try:
        async with _client(server.url) as ours, _peer(pipe) as theirs:
            for number in range(args.rounds + 1):
                alone = await _timed(final_frame(engine, Work(model.request(steps))))
                asked = await _timed(_picture(ours, model.request(steps)))
                for name, client in (("ours", ours), ("pipe", theirs)):
                    asks = (_picture(client, model.request(steps)) for _ in range(args.users))
                    taken = await _timed(asyncio.gather(*asks))
                    if number:  # the first warms up
                        seconds[name].append(taken)
                if number:
                    overhead.append((asked - alone) * 1000)
            answers = await asyncio.gather(
                *(_picture(ours, model.request(steps)) for _ in range(CROWD)),
                return_exceptions=True,
            )
            lost = sum(isinstance(answer, BaseException) for answer in answers)
    finally:
        await asyncio.to_thread(server.stop)
    rates = {
        name: round(args.users / report.percentile(taken, 0.5), 2)
        for name, taken in seconds.items()
    }
    return {
        "pictures_per_second": rates,
        "speedup_vs_pipe": round(rates["ours"] / rates["pipe"], 2),
        "overhead_ms": report.p50_p95(overhead),
        "clients_at_once": CROWD,
        "lost": lost,
    }
