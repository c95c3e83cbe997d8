"""Plots of benchmarks as PNG or SVG. Only these need matplotlib."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InvalidSetting

SUFFIXES = (".png", ".svg")
OURS, PEERS = "#1f6feb", ("#8b949e", "#b08800", "#8250df", "#cf222e")
BAR_PEER = "#b6bec9"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its length is its value."""

    label: str
    value: float
    text: str  # beside it
    peer: bool = False


def check(path: Path) -> None:
    """Whether a plot can be written, before anything is measured for it.

    Raises:
        InvalidSetting: the file is neither a PNG nor an SVG, or matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidSetting(f"plot: {path.name} must end in {' or '.join(SUFFIXES)}.")
    if find_spec("matplotlib") is None:
        raise InvalidSetting(
            "plot: drawing needs matplotlib: `pip install -r requirements-bench.txt`."
        )


def draw_bars(path: Path, title: str, bars: Sequence[Bar]) -> None:
    """Writes horizontal bars, the first on top."""
    figure, axes = _paper(title, 1 + 0.35 * len(bars))
    colours = [BAR_PEER if bar.peer else OURS for bar in bars]
    drawn = axes.barh([bar.label for bar in bars], [bar.value for bar in bars], color=colours)
    axes.bar_label(drawn, [bar.text for bar in bars], padding=6)
    axes.margins(x=0.25)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    figure.savefig(path)


def draw_waiting(path: Path, title: str, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Writes how long users wait over their number, on two logarithmic axes.

    Args:
        runs: figures of `score` by what served; the first is drawn as ours.
    """
    figure, axes = _paper(title, 4.4)
    colours = itertools.chain([OURS], itertools.cycle(PEERS))
    for label, found in runs.items():
        waits = [(run["users"], run["last_key_to_final_ms"]["p95"]) for run in found]
        axes.plot(*zip(*waits, strict=True), "o-", color=next(colours), label=label)
    axes.set(xscale="log", yscale="log")
    axes.set(xlabel="people typing at once", ylabel="last key to finished picture, p95, ms")
    ticks = sorted({run["users"] for found in runs.values() for run in found})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", alpha=0.4)
    axes.legend(frameon=False)
    figure.savefig(path)


def _paper(title: str, height: float) -> tuple[Any, Any]:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"  # words stay words
    figure = Figure(figsize=(8.6, height), dpi=200, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
