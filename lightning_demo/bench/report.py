"""What benchmarks share: percentiles, tables, the machine, the document, and common options."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ..schemas import STEP_COUNTS
from ..surroundings import cpu_threads

PACKAGES = ("torch", "diffusers", "transformers", "gradio")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 … 1) of the values do not exceed; always one that was measured."""
    return float(np.percentile(values, 100 * share, method="higher"))


def p50_p95(values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile, to a hundredth."""
    return {"p50": round(percentile(values, 0.5), 2), "p95": round(percentile(values, 0.95), 2)}


def shown(value: Any, form: str = "") -> str:
    """A figure for people; of a spread, all its values."""
    if isinstance(value, Mapping):
        return " / ".join(format(each, form or ".0f") for each in value.values())
    return "-" if value is None else format(value, form)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table, first column to the left and the others to the right."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = []
    for row in [heads, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def save(result: dict[str, Any], path: Path | None) -> None:
    """Keeps what has been measured so far: a run may be ended early."""
    if path is not None:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def environment() -> dict[str, Any]:
    """Hardware, versions and commit, which every figure belongs to."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        **_gpu(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "commit": _commit(),
    }


def _gpu() -> dict[str, str]:
    import torch

    if not torch.cuda.is_available():
        return {}
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return {"gpu": f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB"}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name") and "unknown" not in line:
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "describe", "--always", "--dirty"]
    folder = Path(__file__).parent
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    return found.stdout.strip() or "unknown"


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


positive = whole(1, 100_000)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Adds `--threads`."""
    text = "CPU threads (default: half of the cores, at most 2)"
    parser.add_argument("--threads", type=whole(1, 256), default=cpu_threads(), help=text)


def add_steps(parser: argparse.ArgumentParser, choices: Sequence[int] = STEP_COUNTS) -> None:
    """Adds `--num-inference-steps`."""
    parser.add_argument(
        "--num-inference-steps", type=int, choices=choices, default=4, help="default: 4"
    )


def add_files(parser: argparse.ArgumentParser, drawn: str) -> None:
    """Adds `--plot` and `--out`.

    Args:
        drawn: what a plot shows, for the help.
    """
    text = f"{drawn} as FILE.png or FILE.svg (needs requirements-bench.txt)"
    parser.add_argument("--plot", type=Path, metavar="FILE", help=text)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also keep the JSON as FILE")


def add_model(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds `--weights` and `--device`."""
    parser.add_argument(
        "--weights",
        choices=("auto", "miniature", "thin", "full", "real"),
        default=default,
        help="thin and full are random in SDXL's shape; auto: on a GPU the real ones if they are "
        f"on this machine, else full; without a GPU the miniature (default: {default})",
    )
    parser.add_argument("--device", default="auto", help="torch device, e.g. cpu, cuda:1")


def _version(package: str) -> str | None:
    """None where it is not installed: some benchmarks need neither a page nor a server."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
