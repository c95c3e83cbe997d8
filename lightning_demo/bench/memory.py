"""`bench memory`: what a process with the miniature takes, by torch alone and by its programs.

Each in a process of its own, without a server: the model is loaded and warmed up, programs that are
on this machine are taken over (another process makes those that are not), and a few pictures are
painted with all their previews.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch

from ..errors import InvalidSetting
from ..schemas import GenerationRequest
from .bench_model import PROMPT, miniature_sampler
from .report import add_steps, add_threads, environment, shown, table
from .servers import memory_mib

PROCESSES = multiprocessing.get_context("spawn")
WAYS = {"torch": False, "compiled": True}  # whether programs are used
PICTURES = 3
FIGURES = (  # the table's rows: label, key, format
    ("resident, MiB", "resident_mib", ".0f"),
    ("the most that it ever was, MiB", "most_mib", ".0f"),
    ("its calls are", "form", ""),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench memory`."""
    add_steps(parser)
    add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document.

    Raises:
        InvalidSetting: this system does not tell what a process takes.
    """
    if memory_mib(os.getpid()) is None:
        raise InvalidSetting("bench memory needs Linux, which tells what a process takes")
    steps, threads = args.num_inference_steps, args.threads
    found = {}
    for name, compiles in WAYS.items():
        with ProcessPoolExecutor(1, PROCESSES) as pool:
            found[name] = pool.submit(_painted, compiles, steps, threads).result()
    rows = [(label, *_column(found, key, form)) for label, key, form in FIGURES]
    print(table(("", *WAYS), rows))
    more = found["compiled"]["resident_mib"] - found["torch"]["resident_mib"]
    settings = {"num_inference_steps": steps, "threads": threads, "pictures": PICTURES}
    return {"benchmark": "memory", **found, "more_mib": round(more, 1), **settings, **environment()}


def _column(found: dict[str, Any], key: str, form: str) -> Sequence[str]:
    return [shown(found[name][key], form) for name in WAYS]


def _painted(compiles: bool, num_inference_steps: int, threads: int) -> dict[str, Any]:
    """What this process takes once it has painted."""
    torch.set_num_threads(threads)
    sampler = miniature_sampler(num_inference_steps, compiles=compiles)
    width, height = sampler.spec.sizes[0]
    for seed in range(PICTURES):
        prompt = f"{PROMPT}, {seed}"
        request = GenerationRequest(prompt, "", num_inference_steps, 0.0, seed, width, height)
        row = sampler.begin(request)
        while not row.done:
            sampler.step([row])
            sampler.previews([row])
        sampler.finals([row])
    return {
        "resident_mib": memory_mib(os.getpid()),
        "most_mib": memory_mib(os.getpid(), "VmHWM"),
        "form": sampler.form,
    }
