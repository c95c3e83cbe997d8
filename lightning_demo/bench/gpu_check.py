"""`bench gpu-check`: everything that only a GPU can show, in one call of some minutes.

The checks run one after another in a process of their own, each for its own time. One that fails,
hangs or takes the process with it is reported as such, and the next gets a new process.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import gc
import json
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from ..errors import InvalidSetting
from . import report
from .gpu_checks import faults, live, memory, pictures, precision, speed, transfers
from .gpu_checks.beside_torch import beside_torch
from .gpu_checks.context import CheckContext, CheckSkipped
from .gpu_checks.decode_stream import decode_stream, preview_stream
from .gpu_checks.small_card import small_card
from .gpu_docs import NO_TIME, write_docs
from .model import CACHE

log = logging.getLogger(__name__)

# Each check and the most seconds it may take. What is worth most for its time comes first, so that
# little is lost when the time runs out.
CHECKS: dict[str, tuple[Callable[[CheckContext], dict[str, Any]], float]] = {
    "machine": (pictures.machine, 60),
    "tiers": (pictures.tiers, 90),
    "live": (live.live, 90),
    "recorded": (speed.recorded, 120),
    "kernels": (speed.kernels, 45),
    "bf16": (precision.bf16, 60),
    "half precision": (pictures.half_precision, 45),
    "first use": (transfers.first_use, 60),
    "transfers": (transfers.transfers, 45),
    "disk": (transfers.disk, 60),
    "memory beside torch": (beside_torch, 60),
    "out of memory": (memory.out_of_memory, 60),
    "switching": (memory.switch, 60),
    "gpu tests": (pictures.gpu_tests, 120),
    "visiting encoders": (transfers.visiting_encoders, 60),
    "calibration": (speed.calibration, 90),
    "profiles": (memory.profiles, 90),
    "jpeg": (transfers.jpeg, 30),
    "decode stream": (decode_stream, 60),
    "preview stream": (preview_stream, 45),
    "fp8": (precision.fp8, 60),
    "fp16 accumulation": (precision.fp16_accumulation, 60),
    "faults": (faults.faults, 60),
    "small card": (small_card, 120),
    "model": (speed.model, 3600),
    "compiler cache": (speed.compiler_cache, 3600),
}
IN_A_NEW_PROCESS = {"compiler cache"}  # which knows nothing of what was compiled
PROCESSES = multiprocessing.get_context("spawn")
START_SECONDS = 120.0
END_SECONDS = 3.0  # too little left to begin anything

Result = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench gpu-check`."""
    parser.add_argument(
        "--out",
        dest="folder",
        metavar="FOLDER",
        type=Path,
        default=Path("gpu-check"),
        help="for gpu-check.json, model.json and log.txt (default: gpu-check)",
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="for all of it (default: 9)")
    parser.add_argument(
        "--small", action="store_true", help="small models on the CPU; what happens without a GPU"
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="take the figures over into docs/gpu.md"
    )
    parser.add_argument(
        "--compile", action="store_true", help="with --small: compile by inductor, which takes long"
    )


def measure(args: argparse.Namespace) -> Result:
    """Runs all checks, prints a line for each, and keeps everything in a folder."""
    small = args.small or not torch.cuda.is_available()
    if small and args.write_docs:
        raise InvalidSetting("write-docs: there is no GPU to write about.")
    folder: Path = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").write_text("")
    deadline = time.monotonic() + 60 * args.minutes
    result: Result = {"benchmark": "gpu-check", "small": small, "checks": []}
    result.update(report.environment())
    worker: Worker | None = None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        inductor = args.compile or not small
        context = CheckContext(
            folder.resolve(), Path(cache), deadline, small=small, inductor=inductor
        )
        try:
            for name, (_, seconds) in CHECKS.items():
                left = deadline - time.monotonic()
                if left < END_SECONDS:
                    found: Result = {"status": "skip", "seconds": 0.0, "error": NO_TIME}
                else:
                    if worker is not None and name in IN_A_NEW_PROCESS:
                        worker.end()
                        worker = None
                    worker = worker or Worker(context)
                    try:
                        found = worker.run(name, min(seconds, left))
                    except KeyboardInterrupt:  # what there is by now is kept
                        found = {"status": "fail", "seconds": 0.0, "error": "interrupted"}
                        deadline = 0.0
                    if found["status"] == "fail":  # a GPU's error stays with its process
                        worker.end()
                        worker = None
                result["checks"].append({"name": name, **found})
                words = found.get("error") or json.dumps(found["result"])
                took = f"{found['seconds']:6.1f} s"
                print(f"{found['status']:4}  {name:18} {took}  {words[:300]}", flush=True)
                report.save(result, folder / "gpu-check.json")
        finally:
            if worker is not None:
                worker.end()
    if args.write_docs:
        documents = [folder / name for name in (speed.MODEL, speed.RECORDED)]
        kept = [json.loads(file.read_text()) for file in documents if file.exists()]
        write_docs(result, kept[0] if kept else None)
    return result


class Worker:
    """A process that runs one check after another."""

    def __init__(self, context: CheckContext) -> None:
        self._context = context
        self._pool = ProcessPoolExecutor(1, PROCESSES, _prepare, (context,))
        self._pid: int | None = None

    def run(self, name: str, seconds: float) -> Result:
        """A check's result, or that there was none in time."""
        begun, limit = time.monotonic(), START_SECONDS
        try:
            if self._pid is None:  # it imports torch
                self._pid = self._pool.submit(os.getpid).result(limit)
            begun, limit = time.monotonic(), seconds
            return self._pool.submit(run_check, name, self._context).result(limit)
        except (TimeoutError, concurrent.futures.TimeoutError):
            error = f"did not end within {limit:.0f} s"
        except BrokenExecutor:
            error = "its process died"
        return {"status": "fail", "seconds": round(time.monotonic() - begun, 1), "error": error}

    def end(self) -> None:
        """Ends the process and whatever it has started."""
        if self._pid is not None:
            with contextlib.suppress(OSError):  # it has died
                if hasattr(os, "killpg"):
                    os.killpg(self._pid, signal.SIGKILL)
                else:
                    os.kill(self._pid, signal.SIGTERM)
        self._pool.shutdown(wait=self._pid is not None, cancel_futures=True)


def _prepare(context: CheckContext) -> None:
    """What the process does first: everything it prints goes to log.txt."""
    if hasattr(os, "setsid"):
        os.setsid()  # so that what it starts can be ended with it
    stream = (context.out / "log.txt").open("a", encoding="utf-8", buffering=1)
    os.dup2(stream.fileno(), sys.stdout.fileno())
    os.dup2(stream.fileno(), sys.stderr.fileno())
    logging.basicConfig(level=logging.INFO, stream=stream, force=True)
    torch.set_num_threads(1 if context.small else 4)
    os.environ[CACHE] = str(context.cache)
    gc.freeze()  # what has been imported stays: no check needs to look through it


def run_check(name: str, context: CheckContext) -> Result:
    """One check, in this process."""
    begun = time.monotonic()
    try:
        found: Result = {"status": "pass", "result": CHECKS[name][0](context)}
    except CheckSkipped as skip:
        found = {"status": "skip", "error": str(skip)}
    except Exception as error:
        log.exception("check %r", name)
        found = {"status": "fail", "error": f"{type(error).__name__}: {str(error)[:2000]}"}
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
    return {**found, "seconds": round(time.monotonic() - begun, 1)}
