"""`bench model`: how fast the model itself is, beside `pipe(...)`, in one run.

Optimisations are switched on one after another. At each stage our pictures and those of
diffusers' pipeline are painted in turns, every one from a prompt not seen before to a JPEG. The
first stage is as slow as the code can be, the last is what serving reaches.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import tempfile
import time
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..images import encode_jpeg
from ..model.compile.fp8 import check_fp8
from ..model.compile.speed import Speed
from ..model.device import pick_device
from ..model.sampling.sampler import Sampler
from ..schemas import STEP_COUNTS, GenerationRequest
from ..settings import Settings
from . import model_tables, report
from .ablation import Ablation, AblationStage, ablation, main_steps, time_second_process
from .bench_model import difference, load_bench_model, picture
from .component_timing import (
    time_batches,
    time_components,
    time_decode_stream,
    time_switching,
)
from .peers.pipe import Pipe
from .plots import draw_bars
from .timing import Call, Clock, problems

log = logging.getLogger(__name__)

CACHE = "TORCHINDUCTOR_CACHE_DIR"
AUTOTUNE_SECONDS = 300  # not begun with less time left


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench model`."""
    counts = STEP_COUNTS
    report.add_model(parser, "auto")
    parser.add_argument("--rounds", type=report.positive, default=8, help="default: 8")
    parser.add_argument(
        "--steps", type=int, nargs="+", choices=counts, default=counts, help="default: 1 2 4 8"
    )
    parser.add_argument(
        "--batches",
        type=report.positive,
        nargs="*",
        default=counts,
        metavar="B",
        help="pictures in one UNet call (default: 1 2 4 8)",
    )
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="compile, and on a GPU compare with pipe(...) compiled, which takes minutes "
        "(default: as a server would)",
    )
    report.add_threads(parser)
    report.add_files(parser, "bars")


def measure(
    args: argparse.Namespace, *, second_process: bool = True, deadline: float | None = None
) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document.

    Args:
        args: what `add_options` declares. The document is kept as `args.out` after each stage.
        second_process: whether its start is timed, where something is compiled.
        deadline: of time.monotonic(); what takes minutes is not begun shortly before it.

    Raises:
        CheckpointError: there is no such device, or the real weights are not on this machine.
        InvalidSetting: float8 is on and does not work on this device.
    """
    torch.set_num_threads(args.threads)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if CACHE not in os.environ:  # what was compiled on another day would be found
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            os.environ[CACHE] = stack.enter_context(folder)
            stack.callback(os.environ.pop, CACHE)
        bench = _Bench(args, deadline)
        result = bench.run()
        speed, weights = bench.target, bench.model.weights
        if speed.compile and second_process:
            del bench
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            second = time_second_process(weights, args.device, speed, args.threads)
            result["warm_start"] = second
    model_tables.print_tables(result)
    report.save(result, args.out)
    return result


def plot(path: Path, result: dict[str, Any]) -> None:
    """Draws the stages beside the pipeline."""
    draw_bars(path, *model_tables.bars(result))


class _Bench:
    """One run: the model, its peer and what has been measured so far."""

    def __init__(self, args: argparse.Namespace, deadline: float | None) -> None:
        self.rounds, self.out, self.deadline = args.rounds, args.out, deadline
        self.steps = sorted(set(args.steps))
        # Of the stages between the tiers:
        self.main_steps = main_steps(self.steps)
        self.batches = args.batches
        device = pick_device(args.device)
        settings = Settings.from_environment()
        if args.compile is not None:
            settings = replace(settings, compile=args.compile)
        small = args.weights not in ("full", "real")
        self.target = Speed.of(settings, device.type, small=small)
        if self.target.fp8:
            check_fp8(device, unets_stay=True)
        if args.compile:  # also by what is not compiled here unless it is asked for
            self.target = replace(self.target, compile=True)
        layout = torch.channels_last if self.target.channels_last else torch.preserve_format
        self.model = load_bench_model(args.weights, args.device, layout)
        self.clock = Clock(device)
        components = self.model.components
        # Pictures are compared in our dtype, times with the dtype that people take.
        before = self.clock.allocated()
        self.pipe = Pipe(components, components.dtype)
        self.peer_bytes = self.clock.allocated() - before
        self.wanted = {steps: self._reference(steps) for steps in self.steps}
        self.pipe.to(torch.bfloat16 if device.type == "cuda" else components.dtype)
        self.result: dict[str, Any] = {
            "benchmark": "model",
            "weights": self.model.weights,
            "device": device.type,
            "dtype": _name(components.dtype),
            "size": list(components.spec.sizes[0]),
            "rounds": args.rounds,
            "threads": args.threads,
            "main_steps": self.main_steps,
            "backend": self.target.compile_backend if self.target.compile else None,
            "stages": [],
            **report.environment(),
            "pipe_dtype": _name(self.pipe.dtype),
        }

    def run(self) -> dict[str, Any]:
        """Measures everything but the start of a second process."""
        last = None
        stages = Ablation(self.model.components, self.steps)
        for stage in ablation(self.target):
            print(f"{stage.name} …", flush=True)
            measured, sampler = self._stage(stages, stage)
            self.result["stages"].append(measured)
            last = (stage, sampler) if sampler and stage.tier else last
            report.save(self.result, self.out)
        self.result["switching"] = time_switching(
            self.model.source, self.steps, self.rounds, self.clock
        )
        if self.target.compile and last and self.target.compile_backend != "openvino":
            self.result["compiled_pipe"] = self._compiled_pipe(*last)
        return self.result

    def _request(self) -> GenerationRequest:
        return self.model.request(self.main_steps)

    def _reference(self, steps: int) -> tuple[GenerationRequest, np.ndarray]:
        request = self.model.request(steps)
        self.pipe.take(steps)
        return request, self.pipe.pixels(request)

    def _stage(
        self, stages: Ablation, stage: AblationStage
    ) -> tuple[dict[str, Any], Sampler | None]:
        """What one stage measures; one that fails says so and the next is tried."""
        measured: dict[str, Any] = {"name": stage.name, "tier": stage.tier}
        with problems() as measured["problems"]:
            try:
                begun = time.perf_counter()
                sampler = stages.advance(stage)
                if stage.form:
                    measured["learning_seconds"] = round(time.perf_counter() - begun, 1)
                self._measure(measured, stage, sampler)
            except Exception as error:
                log.exception("stage %r failed", stage.name)
                return {**measured, "error": _words(error)}, None
        return measured, sampler

    def _measure(self, measured: dict[str, Any], stage: AblationStage, sampler: Sampler) -> None:
        counts = self.steps if stage.tier else [self.main_steps]
        measured["max_pixel_difference"] = {
            str(steps): difference(sampler, *self.wanted[steps]) for steps in counts
        }
        measured["steps"] = {str(steps): self._beside_pipe(sampler, steps) for steps in counts}
        measured["speedup"] = measured["steps"][str(self.main_steps)]["speedup"]
        self.clock.forget_peak()
        if stage.speed.decode_stream:
            measured["decode_stream"] = time_decode_stream(
                sampler, self._request, self.rounds, self.clock
            )
        if stage.tier:
            measured["parts_ms"] = time_components(sampler, self._request, self.rounds, self.clock)
            measured["peak_mb"] = self.clock.peak_mb(self.peer_bytes)
            measured["batches"] = time_batches(
                sampler, self._request, self.batches, max(2, self.rounds // 2), self.clock
            )

    def _beside_pipe(self, sampler: Sampler, steps: int, **others: Pipe) -> dict[str, Any]:
        """Milliseconds from a prompt to a JPEG, ours and the pipeline's in turns."""

        def ask() -> GenerationRequest:
            return self.model.request(steps)

        def jpeg(pipe: Pipe) -> Call:
            pipe.take(steps)
            return lambda: pipe.jpeg(ask())

        calls = {name: jpeg(pipe) for name, pipe in {"pipe": self.pipe, **others}.items()}
        calls["full_decoder"] = lambda: encode_jpeg(picture(sampler, ask()))
        calls["preview_decoder"] = lambda: encode_jpeg(picture(sampler, ask(), preview=True))
        times = self.clock.side_by_side(calls, self.rounds)
        medians = {name: report.percentile(values, 0.5) for name, values in times.items()}
        return {
            **{f"{name}_ms": report.p50_p95(values) for name, values in times.items()},
            "speedup": round(medians["pipe"] / medians["full_decoder"], 2),
        }

    def _compiled_pipe(self, stage: AblationStage, sampler: Sampler) -> dict[str, Any]:
        """The last stage again, beside the pipeline compiled as diffusers' guide does it."""
        if self.deadline is not None and time.monotonic() > self.deadline - AUTOTUNE_SECONDS:
            return {"error": "not measured: too little time left for its compiler"}
        print("pipe(...) compiled …", flush=True)
        try:
            compiled = Pipe(self.model.components, self.pipe.dtype)
            compiled.compile(self.target.compile_backend)
            compiled.take(self.main_steps)
            begun = time.perf_counter()
            compiled.jpeg(self._request())
            return {
                "first_picture_seconds": round(time.perf_counter() - begun, 1),
                "ours": stage.name,
                "steps": {
                    str(steps): self._beside_pipe(sampler, steps, compiled_pipe=compiled)
                    for steps in self.steps
                },
            }
        except Exception as error:
            log.exception("the compiled pipeline failed")
            return {"error": _words(error)}


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:1000]}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
