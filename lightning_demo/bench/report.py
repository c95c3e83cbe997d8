"""Numbers for people and programs: percentiles, tables, the machine, one JSON line last."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "diffusers", "transformers", "gradio")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 … 1) of the values do not exceed, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p50_p95(values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile, to a hundredth."""
    return {"p50": round(percentile(values, 0.5), 2), "p95": round(percentile(values, 0.95), 2)}


def environment() -> dict[str, Any]:
    """Hardware, versions and commit, which every figure belongs to."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        **_gpu(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table, first column to the left and the others to the right."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = []
    for row in [heads, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def finish(result: dict[str, Any]) -> None:
    """Prints the result as the run's last line."""
    print(json.dumps(result), flush=True)


def save(result: dict[str, Any], path: Path | None) -> None:
    """Keeps what has been measured, so that a run that is ended early is not lost."""
    if path is not None:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _gpu() -> dict[str, str]:
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
    found = subprocess.run(  # noqa: S603
        [git, "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"
