"""Our server as a program around any model of the benchmarks, which `serve` does not offer.

`python -m lightning_demo.bench.our_server PORT THREADS STEPS WEIGHTS DEVICE`. Eager, as `pipe(...)`
is, and without a memory for finished pictures: each one asked for is painted.
"""

from __future__ import annotations

import sys
import tempfile
from typing import cast

import torch

from ..engine.build import about
from ..engine.cached import CachedEngine, FrameCache
from ..engine.local import LocalEngine
from ..engine.metrics import Metrics
from ..model.compile.speed import Speed
from ..model.sampling.sampler import Sampler
from ..settings import Settings
from ..web.server import serve
from .bench_model import BenchModel, Weights, load_bench_model


def arguments() -> tuple[int, int, BenchModel]:
    """The port, the step count and the model that the command line asks for."""
    port, threads, steps = map(int, sys.argv[1:4])
    weights, device = sys.argv[4:6]
    torch.set_num_threads(threads)
    return port, steps, load_bench_model(cast(Weights, weights), device)


def run(port: int, model: BenchModel, files: str) -> int:
    """Serves until a signal ends it; returns the process's exit code.

    Args:
        files: the folder for pictures that are kept.
    """
    metrics = Metrics()
    components = model.components
    local = LocalEngine(
        lambda report: Sampler(components, Speed()), about(components.spec), metrics=metrics
    )
    engine = CachedEngine(local, FrameCache(0), metrics)
    settings = Settings(port=port, files_dir=files, memory_mb=0, ahead=False)
    return serve(engine, settings, metrics)


if __name__ == "__main__":
    asked_port, _, asked_model = arguments()
    with tempfile.TemporaryDirectory() as folder:
        code = run(asked_port, asked_model, folder)
    sys.exit(code)
