"""Takes the figures of `bench gpu-check` over into docs/gpu.md, between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InvalidSetting
from .report import shown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gpu.md"
NO_TIME = "no time left"  # what is said of checks that were not begun
MOST_LETTERS = 1000  # of a check
COLUMNS = ("full_decoder", "preview_decoder", "pipe")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Result = dict[str, Any]


def write_docs(result: Result, model: Result | None, page: Path = PAGE) -> None:
    """Replaces what stands between the marks.

    Args:
        result: of `bench gpu-check`.
        model: of the `bench model` within, if it came to that.

    Raises:
        InvalidSetting: the figures are of no GPU, or the page has no such marks.
    """
    if result["small"]:
        raise InvalidSetting("write-docs: these figures are of a CPU; the page is about GPUs.")
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InvalidSetting(f"write-docs: {page.name} has no marks {BEGIN} and {END}.")
    figures = "\n".join(_lines(result, model))
    page.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}", encoding="utf-8")


def _lines(result: Result, model: Result | None) -> list[str]:
    packages = ", ".join(f"{name} {version}" for name, version in result["packages"].items())
    lines = [
        f"`python -m lightning_demo bench gpu-check` on {result['gpu']}; {packages}; commit "
        f"{result['commit']}.",
        "",
    ]
    if model:
        lines += _steps(model)
    lines += ["| check | | |", "| --- | --- | --- |"]
    late = []
    for check in result["checks"]:
        found = check.get("error") or ", ".join(_flat(check["result"]))
        if found == NO_TIME:
            late.append(check["name"])
        else:
            lines.append(f"| {check['name']} | {check['status']} | {found[:MOST_LETTERS]} |")
    return [*lines, "", f"Not reached in its time: {', '.join(late)}."] if late else lines


def _steps(model: Result) -> list[str]:
    """Milliseconds from a prompt to a JPEG in every form that serving goes through."""
    width, height = model["size"]
    lines = [
        f"{model['weights']} weights, {width} x {height}, from a new prompt to a JPEG, ms, "
        "p50 / p95:",
        "",
        "| a call is | steps | full decoder | tiny decoder | `pipe(...)` |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for stage in model["stages"]:
        if stage["tier"] and "error" not in stage:
            for steps, found in stage["steps"].items():
                times = (
                    found[f"{name}_ms"] for name in ("full_decoder", "preview_decoder", "pipe")
                )
                cells = " | ".join(shown(time, ".1f") for time in times)
                lines.append(f"| {stage['tier']} | {steps} | {cells} |")
    return [*lines, ""]


def _flat(found: Any, name: str = "") -> list[str]:
    """Every figure with its names: "settled final_ms p50 98.1"."""
    if isinstance(found, dict):
        return [text for key, value in found.items() for text in _flat(value, f"{name} {key}")]
    return [f"{name} {found}".strip()]
