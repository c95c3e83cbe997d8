"""Benchmarks. Each prints a table, and one JSON document as its last line.

`bench some-name` is the module `some_name`: `add_options(parser)` declares its options,
`measure(args)` returns the document, and `plot(path, document)`, where there is one, draws it.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from importlib import import_module
from types import ModuleType

from ..late_parser import LateParser

HELP = {
    "live": "typing at the running demo, beside the usual way",
    "engine": "what Python costs around the models",
    "ahead": "what painting ahead of the typist is worth, in a real browser",
    "browser": "from the key to the painted pixel in a real browser, beside two Gradio pages",
    "refine": "how far the picture jumps from a draft to what was asked for",
    "model": "the model itself, beside diffusers' pipeline",
    "together": "several people's pictures at once, beside pipe(...) one after another",
    "batch": "a list into a folder, beside pipe(...) in a loop",
    "many": "many people typing at once, beside the usual ways to serve them",
    "stage": "a talk before a hall full of phones, beside the same talk without them",
    "api": "programs that ask for pictures over HTTP, beside a plain server around pipe(...)",
    "replicas": "what an engine in another process costs, and what a second one is worth",
    "chaos": "people who type while the engines of a Ray cluster are killed and stopped",
    "memory": "what a process with the model takes, by torch alone and by its programs",
    "soak": "whether a server that works for long keeps its size",
    "simulate": "many people typing at GPUs that are not here",
    "gpu-check": "everything that only a GPU can show, within minutes",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds everything that `bench` can measure; most benchmarks import torch."""
    parser.description = "Each prints a table, and one JSON document as its last line."
    benches = parser.add_subparsers(
        title="benchmarks", required=True, metavar="BENCHMARK", parser_class=LateParser
    )
    for name, text in HELP.items():
        about = f"Measures {text}."
        benches.add_parser(name, help=text, description=about, declare=partial(_declare, name))


def _declare(name: str, parser: argparse.ArgumentParser) -> None:
    bench = import_module(f".{name.replace('-', '_')}", __name__)
    bench.add_options(parser)
    parser.set_defaults(run=partial(_run, bench))


def _run(bench: ModuleType, args: argparse.Namespace) -> int:
    from . import plots, report

    plot, out = getattr(args, "plot", None), getattr(args, "out", None)
    if plot:
        plots.check(plot)
    result = bench.measure(args)
    report.save(result, out)
    if plot:
        bench.plot(plot, result)
    print(json.dumps(result), flush=True)
    stages, checks = result.get("stages", ()), result.get("checks", ())
    failed = [s for s in stages if "error" in s] + [c for c in checks if c["status"] == "fail"]
    return int(bool(failed))
