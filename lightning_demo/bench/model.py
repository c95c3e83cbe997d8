"""`bench model`: how fast the model itself is, beside `pipe(...)`, in one run.

Optimisations are switched on one after another. At each stage our pictures and those of
diffusers' pipeline are painted in turns, every one from a prompt not seen before to a JPEG. The
first stage is as slow as the code can be, the last is what serving reaches.
"""

from __future__ import annotations

import gc
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..model.compile.speed import Speed
from ..model.device import pick_device
from ..model.sampling.sampler import Sampler
from ..schemas import GenerationRequest
from ..settings import Settings
from . import report
from .batches import Batch, measure_batches
from .model_tables import print_tables
from .parts import difference, measure_parts, switching
from .peers.pipe import Pipe
from .stages import Ladder, Stage, stages
from .subject import Subject, Weights, painter, subject
from .timing import Call, Clock, problems
from .warm_start import warm_start

log = logging.getLogger(__name__)

CACHE = "TORCHINDUCTOR_CACHE_DIR"
AUTOTUNE_SECONDS = 300  # not begun with less time left


@dataclass(frozen=True)
class Plan:
    """What to measure and how often."""

    weights: Weights = "auto"
    device: str = "auto"
    rounds: int = 8
    steps: tuple[int, ...] = (1, 2, 4, 8)
    batches: tuple[int, ...] = (1, 2, 4, 8)
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


def bench_model(plan: Plan) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document.

    Raises:
        CheckpointError: there is no such device, or the real weights are not here.
    """
    torch.set_num_threads(plan.threads)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if CACHE not in os.environ:  # what was compiled on another day would be found
            os.environ[CACHE] = stack.enter_context(
                tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            )
            stack.callback(os.environ.pop, CACHE)
        bench = _Bench(plan)
        result = bench.run()
        speed, weights = bench.target, bench.subject.weights
        if speed.compile and plan.warm_start:
            del bench
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            result["warm_start"] = warm_start(weights, plan.device, speed, plan.threads)
    print_tables(result)
    report.save(result, plan.out)
    return result


class _Bench:
    """One run: the model, its peer and what has been measured so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        device = pick_device(plan.device)
        self.target = plan.speed(device)
        layout = torch.channels_last if self.target.channels_last else torch.preserve_format
        self.subject: Subject = subject(plan.weights, plan.device, layout)
        self.clock = Clock(device)
        parts = self.subject.components
        self.result: dict[str, Any] = {
            "benchmark": "model",
            "weights": self.subject.weights,
            "device": device.type,
            "dtype": str(parts.dtype).removeprefix("torch."),
            "size": list(parts.spec.sizes[0]),
            "rounds": plan.rounds,
            "threads": plan.threads,
            "main_steps": plan.main_steps,
            "backend": self.target.compile_backend if self.target.compile else None,
            "stages": [],
            **report.environment(),
        }

    def run(self) -> dict[str, Any]:
        """Measures everything but the start of a second process."""
        components, plan = self.subject.components, self.plan
        ladder = Ladder(components, plan.steps)
        # Pictures are compared in our dtype, times with the dtype that people take.
        before = self.clock.allocated()
        self.pipe = Pipe(components, components.dtype)
        self.peer_bytes = self.clock.allocated() - before
        self.wanted = {steps: self._reference(steps) for steps in plan.steps}
        dtype = torch.bfloat16 if self.clock.device.type == "cuda" else components.dtype
        self.pipe.to(dtype)
        self.result["pipe_dtype"] = str(dtype).removeprefix("torch.")
        last = None
        for stage in stages(self.target):
            print(f"{stage.name} …", flush=True)
            measured, sampler = self._stage(ladder, stage)
            self.result["stages"].append(measured)
            last = (stage, sampler) if sampler else last
            report.save(self.result, plan.out)
        self.result["switching"] = switching(
            self.subject.source, plan.steps, plan.rounds, self.clock
        )
        if self.target.compile and last:
            self.result["compiled_pipe"] = self._compiled_pipe(*last)
        return self.result

    def _reference(self, steps: int) -> tuple[GenerationRequest, np.ndarray]:
        request = self.subject.ask(steps)
        self.pipe.take(steps)
        return request, self.pipe.pixels(request)

    def _stage(self, ladder: Ladder, stage: Stage) -> tuple[dict[str, Any], Sampler | None]:
        """What one stage measures; one that fails says so and the next is tried."""
        measured: dict[str, Any] = {"name": stage.name, "tier": stage.tier}
        with problems() as found:
            try:
                begun = time.perf_counter()
                sampler = ladder.climb(stage)
                if stage.lessons:
                    measured["learning_seconds"] = round(time.perf_counter() - begun, 1)
                self._measure(measured, stage, sampler)
            except Exception as error:
                log.exception("stage %r failed", stage.name)
                measured["error"] = f"{type(error).__name__}: {str(error)[:1000]}"
                return measured, None
            finally:
                measured["problems"] = found
        return measured, sampler

    def _measure(self, measured: dict[str, Any], stage: Stage, sampler: Sampler) -> None:
        plan, subject = self.plan, self.subject
        counts = plan.steps if stage.tier else (plan.main_steps,)
        measured["max_pixel_difference"] = {
            str(steps): difference(sampler, *self.wanted[steps]) for steps in counts
        }
        measured["steps"] = {str(steps): self._beside_pipe(sampler, steps) for steps in counts}
        main = measured["steps"][str(plan.main_steps)]
        measured["speedup"] = main["speedup"]
        self.clock.forget_peak()
        if stage.tier:
            measured["parts_ms"] = measure_parts(
                sampler, lambda: subject.ask(plan.main_steps), plan.rounds, self.clock
            )
            measured["peak_mb"] = self.clock.peak_mb(self.peer_bytes)
        if stage.tier and "blocks" not in stage.tier:  # those never see more than one row
            measured["batches"] = measure_batches(
                Batch(sampler, stage.speed),
                sampler,
                lambda: subject.ask(plan.main_steps),
                plan.batches,
                max(2, plan.rounds // 2),
                self.clock,
            )

    def _beside_pipe(self, sampler: Sampler, steps: int, **others: Pipe) -> dict[str, Any]:
        """Milliseconds from a prompt to a JPEG, ours and the pipeline's in turns."""

        def ask() -> GenerationRequest:
            return self.subject.ask(steps)

        pipes = {"pipe": self.pipe, **others}
        for pipe in pipes.values():
            pipe.take(steps)
        calls: dict[str, Call] = {name: _pipe_call(pipe, ask) for name, pipe in pipes.items()}
        calls["full_decoder"] = painter(sampler, ask)
        calls["preview_decoder"] = painter(sampler, ask, preview=True)
        times = self.clock.side_by_side(calls, self.plan.rounds)
        compared = {f"{name}_ms": report.p50_p95(values[1:]) for name, values in times.items()}
        return {**compared, "speedup": round(times["pipe"][0] / times["full_decoder"][0], 2)}

    def _compiled_pipe(self, stage: Stage, sampler: Sampler) -> dict[str, Any]:
        """The last stage again, beside the pipeline compiled as diffusers' guide does it."""
        deadline = self.plan.deadline
        if deadline is not None and time.monotonic() > deadline - AUTOTUNE_SECONDS:
            return {"error": "not measured: too little time left for its compiler"}
        print("pipe(...) compiled …", flush=True)
        try:
            compiled = Pipe(self.subject.components, self.pipe.dtype)
            compiled.compile(self.target.compile_backend)
            compiled.take(self.plan.main_steps)
            begun = time.perf_counter()
            compiled.jpeg(self.subject.ask(self.plan.main_steps))
            seconds = round(time.perf_counter() - begun, 1)
            return {
                "first_picture_seconds": seconds,
                "ours": stage.name,
                "steps": {
                    str(steps): self._beside_pipe(sampler, steps, compiled_pipe=compiled)
                    for steps in self.plan.steps
                },
            }
        except Exception as error:
            log.exception("the compiled pipeline failed")
            return {"error": f"{type(error).__name__}: {str(error)[:1000]}"}


def _pipe_call(pipe: Pipe, ask: Callable[[], GenerationRequest]) -> Call:
    return lambda: pipe.jpeg(ask())
