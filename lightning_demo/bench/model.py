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
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..images import encode_jpeg
from ..model.compile.speed import Speed
from ..model.device import pick_device
from ..model.sampling.sampler import Sampler
from ..schemas import GenerationRequest
from ..settings import Settings
from . import model_tables, report
from .ablation import Ablation, AblationStage, ablation, time_second_process
from .bench_model import Weights, difference, load_bench_model, picture
from .component_timing import time_batches, time_components, time_switching
from .peers.pipe import Pipe
from .plots import draw_bars
from .timing import Call, Clock, problems

log = logging.getLogger(__name__)

CACHE = "TORCHINDUCTOR_CACHE_DIR"
AUTOTUNE_SECONDS = 300  # not begun with less time left


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench model`."""
    counts = report.STEP_COUNTS
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
        help="compile, and compare with pipe(...) compiled; minutes (default: on a GPU only)",
    )
    report.add_threads(parser)
    report.add_files(parser, "bars")


@dataclass(frozen=True)
class Plan:
    """What to measure and how often."""

    weights: Weights = "auto"
    device: str = "auto"
    rounds: int = 8
    steps: tuple[int, ...] = report.STEP_COUNTS
    batches: Sequence[int] = report.STEP_COUNTS
    compile: bool | None = None  # None: where serving would
    threads: int = 2
    out: Path | None = None  # JSON; written after each stage
    warm_start: bool = True
    deadline: float | None = None  # of time.monotonic(); for what takes minutes

    @property
    def main_steps(self) -> int:
        """The step count of the stages between the tiers."""
        return 4 if 4 in self.steps else self.steps[-1]

    def speed(self, device: torch.device) -> Speed:
        """The fastest that serving would be here, compiled or not as asked."""
        speed = Speed.of(Settings.from_environment(), device.type)
        return speed if self.compile is None else replace(speed, compile=self.compile)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    args.steps = tuple(sorted(set(args.steps)))
    given = {f.name: getattr(args, f.name) for f in fields(Plan) if hasattr(args, f.name)}
    return measure_model(Plan(**given))


def plot(path: Path, result: dict[str, Any]) -> None:
    """Draws the stages beside the pipeline."""
    draw_bars(path, *model_tables.bars(result))


def measure_model(plan: Plan) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document.

    Raises:
        CheckpointError: there is no such device, or the real weights are not on this machine.
    """
    torch.set_num_threads(plan.threads)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if CACHE not in os.environ:  # what was compiled on another day would be found
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            os.environ[CACHE] = stack.enter_context(folder)
            stack.callback(os.environ.pop, CACHE)
        bench = _Bench(plan)
        result = bench.run()
        speed, weights = bench.target, bench.model.weights
        if speed.compile and plan.warm_start:
            del bench
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            second = time_second_process(weights, plan.device, speed, plan.threads)
            result["warm_start"] = second
    model_tables.print_tables(result)
    report.save(result, plan.out)
    return result


class _Bench:
    """One run: the model, its peer and what has been measured so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        device = pick_device(plan.device)
        self.target = plan.speed(device)
        layout = torch.channels_last if self.target.channels_last else torch.preserve_format
        self.model = load_bench_model(plan.weights, plan.device, layout)
        self.clock = Clock(device)
        components = self.model.components
        # Pictures are compared in our dtype, times with the dtype that people take.
        before = self.clock.allocated()
        self.pipe = Pipe(components, components.dtype)
        self.peer_bytes = self.clock.allocated() - before
        self.wanted = {steps: self._reference(steps) for steps in plan.steps}
        self.pipe.to(torch.bfloat16 if device.type == "cuda" else components.dtype)
        self.result: dict[str, Any] = {
            "benchmark": "model",
            "weights": self.model.weights,
            "device": device.type,
            "dtype": _name(components.dtype),
            "size": list(components.spec.sizes[0]),
            "rounds": plan.rounds,
            "threads": plan.threads,
            "main_steps": plan.main_steps,
            "backend": self.target.compile_backend if self.target.compile else None,
            "stages": [],
            **report.environment(),
            "pipe_dtype": _name(self.pipe.dtype),
        }

    def run(self) -> dict[str, Any]:
        """Measures everything but the start of a second process."""
        plan, last = self.plan, None
        stages = Ablation(self.model.components, plan.steps)
        for stage in ablation(self.target):
            print(f"{stage.name} …", flush=True)
            measured, sampler = self._stage(stages, stage)
            self.result["stages"].append(measured)
            last = (stage, sampler) if sampler else last
            report.save(self.result, plan.out)
        self.result["switching"] = time_switching(
            self.model.source, plan.steps, plan.rounds, self.clock
        )
        if self.target.compile and last:
            self.result["compiled_pipe"] = self._compiled_pipe(*last)
        return self.result

    def _request(self) -> GenerationRequest:
        return self.model.request(self.plan.main_steps)

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
                if stage.compile_tasks:
                    measured["learning_seconds"] = round(time.perf_counter() - begun, 1)
                self._measure(measured, stage, sampler)
            except Exception as error:
                log.exception("stage %r failed", stage.name)
                return {**measured, "error": _words(error)}, None
        return measured, sampler

    def _measure(self, measured: dict[str, Any], stage: AblationStage, sampler: Sampler) -> None:
        plan, rounds = self.plan, self.plan.rounds
        counts = plan.steps if stage.tier else (plan.main_steps,)
        measured["max_pixel_difference"] = {
            str(steps): difference(sampler, *self.wanted[steps]) for steps in counts
        }
        measured["steps"] = {str(steps): self._beside_pipe(sampler, steps) for steps in counts}
        measured["speedup"] = measured["steps"][str(plan.main_steps)]["speedup"]
        self.clock.forget_peak()
        if stage.tier:
            measured["parts_ms"] = time_components(sampler, self._request, rounds, self.clock)
            measured["peak_mb"] = self.clock.peak_mb(self.peer_bytes)
        if stage.tier and "blocks" not in stage.tier:  # those never see more than one row
            measured["batches"] = time_batches(
                sampler, self._request, plan.batches, max(2, rounds // 2), self.clock
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
        times = self.clock.side_by_side(calls, self.plan.rounds)
        medians = {name: report.percentile(values, 0.5) for name, values in times.items()}
        return {
            **{f"{name}_ms": report.p50_p95(values) for name, values in times.items()},
            "speedup": round(medians["pipe"] / medians["full_decoder"], 2),
        }

    def _compiled_pipe(self, stage: AblationStage, sampler: Sampler) -> dict[str, Any]:
        """The last stage again, beside the pipeline compiled as diffusers' guide does it."""
        deadline = self.plan.deadline
        if deadline is not None and time.monotonic() > deadline - AUTOTUNE_SECONDS:
            return {"error": "not measured: too little time left for its compiler"}
        print("pipe(...) compiled …", flush=True)
        try:
            compiled = Pipe(self.model.components, self.pipe.dtype)
            compiled.compile(self.target.compile_backend)
            compiled.take(self.plan.main_steps)
            begun = time.perf_counter()
            compiled.jpeg(self._request())
            return {
                "first_picture_seconds": round(time.perf_counter() - begun, 1),
                "ours": stage.name,
                "steps": {
                    str(steps): self._beside_pipe(sampler, steps, compiled_pipe=compiled)
                    for steps in self.plan.steps
                },
            }
        except Exception as error:
            log.exception("the compiled pipeline failed")
            return {"error": _words(error)}


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:1000]}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
