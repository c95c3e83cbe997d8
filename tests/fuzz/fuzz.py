"""Lets atheris (libFuzzer) change the examples of targets and follow which lines they reach.

    python -m tests.fuzz.fuzz [TARGET …] [-runs=N] [-seed=N] [-OPTION=VALUE …]

Each target is fuzzed in a fork of its own, since libFuzzer ends its process, and each N times or as
often as its entry says. Ends with 1 if one has found a fault, whose input it has printed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lightning_demo"]):
    from .targets import TARGETS, Target

OPTIONS = (  # of libFuzzer; the later ones count
    "-seed=1",
    "-max_len=4096",
    "-timeout=10",  # seconds for one input
    "-rss_limit_mb=2048",
    "-verbosity=0",
    "-print_final_stats=0",
)


def main(arguments: Sequence[str]) -> int:
    """Fuzzes one target after another; returns the exit code."""
    options = [each for each in arguments if each.startswith("-")]
    names = [each for each in arguments if not each.startswith("-")] or list(TARGETS)
    return max([fuzzed(name, options) for name in names])


def fuzzed(name: str, options: Sequence[str]) -> int:
    """Fuzzes a target in a fork of this process; returns 1 if that has found a fault."""
    with tempfile.TemporaryDirectory() as place:
        examples, faults = Path(place, "examples"), Path(place, "faults")
        examples.mkdir()
        faults.mkdir()
        for number, example in enumerate(TARGETS[name].examples):
            (examples / str(number)).write_bytes(example)
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            fuzz(TARGETS[name], [f"-artifact_prefix={faults}/", *options, str(examples)])
        _, status = os.waitpid(child, 0)
        print(f"{name}: {'a fault' if status else 'fine'}", flush=True)
        for file in faults.iterdir():
            print(f"{name}: {file.name}: {file.read_bytes()!r}", flush=True)
    return 1 if status else 0


def fuzz(target: Target, options: Sequence[str]) -> None:
    """Changes the examples of a target, and ends the process."""
    atheris.Setup(["fuzz", f"-runs={target.runs}", *OPTIONS, *options], target.read)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
