"""`bench gpu-check`: everything that only a GPU can show, in one call of some minutes.

The checks run one after another in a process of their own, each for its own time. One that fails,
hangs or takes the process with it is reported as such, and the next gets a new process.
"""

from __future__ import annotations

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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from . import report
from .checks import CHECKS
from .checks.setting import Setting, Skip
from .model import CACHE

log = logging.getLogger(__name__)

START_SECONDS = 120.0
LEAVE_SECONDS = 3.0
END_SECONDS = 3.0  # too little left to begin anything

Result = dict[str, Any]


def gpu_check(out: Path, minutes: float, *, small: bool, inductor: bool) -> Result:
    """Runs all checks, prints a line for each, and keeps everything in a folder.

    Args:
        out: the folder, for gpu-check.json, model.json and log.txt.
        minutes: for all checks together.
        small: with small models on the CPU; always so without a GPU.
        inductor: compile by inductor even then.
    """
    small = small or not torch.cuda.is_available()
    out.mkdir(parents=True, exist_ok=True)
    (out / "log.txt").write_text("")
    deadline = time.monotonic() + 60 * minutes
    result: Result = {"benchmark": "gpu-check", "small": small, "checks": []}
    result.update(report.environment())
    worker: Worker | None = None
    cache = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    setting = Setting(small, out.resolve(), Path(cache.name), inductor or not small, deadline)
    try:
        for name, check in CHECKS.items():
            left = deadline - time.monotonic()
            if left < END_SECONDS:
                found: Result = {"status": "skip", "seconds": 0.0, "error": "no time left"}
            else:
                worker = worker or Worker(setting)
                found = worker.run(name, min(check.seconds, left))
                if found["status"] == "fail":  # a GPU's error stays with its process
                    worker.end()
                    worker = None
            result["checks"].append({"name": name, **found})
            print(_line(name, found), flush=True)
            (out / "gpu-check.json").write_text(json.dumps(result, indent=1) + "\n")
    finally:
        if worker is not None:
            worker.end()
        cache.cleanup()
    return result


def _line(name: str, found: Result) -> str:
    words = found.get("error") or json.dumps(found["result"])
    return f"{found['status']:4}  {name:18} {found['seconds']:6.1f} s  {words[:300]}"


class Worker:
    """A process that runs one check after another."""

    def __init__(self, setting: Setting) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, setting), daemon=False)
        self._process.start()
        theirs.close()
        self._started = False

    def run(self, name: str, seconds: float) -> Result:
        """A check's result; its process ends with it when it takes longer than it may."""
        begun = time.monotonic()
        if not self._started:  # it imports torch
            error = self._hear(START_SECONDS).get("error")
            if error:
                return _failed(begun, f"the process for checks did not start: {error}")
            self._started = True
        begun = time.monotonic()
        with contextlib.suppress(OSError):  # it has died, and says so below
            self._connection.send(name)
        heard = self._hear(seconds)
        return heard if "status" in heard else _failed(begun, heard["error"])

    def end(self) -> None:
        """Ends the process and whatever it has started."""
        self._connection.close()  # which tells it to go
        self._process.join(LEAVE_SECONDS)
        if hasattr(os, "killpg") and self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._process.join()

    def _hear(self, seconds: float) -> Result:
        if not self._connection.poll(seconds):
            return {"error": f"did not end within {seconds:.0f} s"}
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            self._process.join(5)
            return {"error": f"its process died (exit code {self._process.exitcode})"}


def _failed(begun: float, error: str) -> Result:
    return {"status": "fail", "seconds": round(time.monotonic() - begun, 1), "error": error}


def _work(connection: Connection, setting: Setting) -> None:
    """What the process does: everything it prints goes to log.txt."""
    if hasattr(os, "setsid"):
        os.setsid()  # so that what it starts can be ended with it
    with (setting.out / "log.txt").open("a", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
        logging.basicConfig(level=logging.INFO, stream=stream, force=True)
        torch.set_num_threads(1 if setting.small else 4)
        os.environ[CACHE] = str(setting.cache)
        connection.send({})
        while True:
            try:
                name = connection.recv()
            except EOFError:
                return
            connection.send(_run(name, setting))
            stream.flush()


def _run(name: str, setting: Setting) -> Result:
    begun = time.monotonic()
    found: Result
    try:
        found = {"status": "pass", "result": CHECKS[name].run(setting)}
    except Skip as skip:
        found = {"status": "skip", "error": str(skip)}
    except Exception as error:
        log.exception("check %r", name)
        found = {"status": "fail", "error": f"{type(error).__name__}: {str(error)[:2000]}"}
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {**found, "seconds": round(time.monotonic() - begun, 1)}
