"""Options that several benchmarks have, and whole numbers within a range."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

THREADS = "CPU threads (default: half of the cores, at most 2)"


def add_files(parser: argparse.ArgumentParser, drawn: str) -> None:
    """Adds the options that keep a benchmark's document, and draw it.

    Args:
        drawn: what a plot shows, for the help.
    """
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help=f"{drawn} as FILE.png or FILE.svg"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also keep the JSON as FILE")


def positive(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}")
        return value

    return parse
