"""The tables of `bench model`, and its bars."""

from __future__ import annotations

from typing import Any

from .plots import Bar
from .report import shown, table

Result = dict[str, Any]


def print_tables(result: Result) -> None:
    """Prints everything that was measured."""
    width, height = result["size"]
    print(
        f"{result['weights']} weights, {width} x {height}, {result['dtype']} on "
        f"{result.get('gpu', result['device'])}; pipe(...) in {result['pipe_dtype']}"
    )
    print(progressive(result))
    for stage in tiers(result):
        print(f"\n{stage['name']}, ms from prompt to JPEG, p50 / p95")
        print(step_counts(stage["steps"]))
        print("parts, ms: " + ", ".join(f"{k} {v:g}" for k, v in stage["parts_ms"].items()))
        for size, found in stage.get("batches", {}).items():
            print(
                f"{size} together: {found['step_ms']:g} ms a step, "
                f"{found['images_per_second']:g} images/s"
            )
        if stage["peak_mb"] is not None:
            print(f"memory at most: {stage['peak_mb']:,} MB")
    for stage in result["stages"]:
        if found := stage.get("decode_stream"):
            in_turns, beside = found["in_turns_ms"], found["beside_ms"]
            print(
                f"\n{stage['name']}: a decode and the next picture's steps, {in_turns:g} ms in "
                f"turns, {beside:g} ms beside one another"
            )
    compiled = result.get("compiled_pipe", {})
    if "steps" in compiled:
        print(f"\n{compiled['ours']} beside pipe(...) compiled as diffusers' guide does it")
        print(step_counts(compiled["steps"]))
    for name in ("switching", "warm_start"):
        if result.get(name):
            print(f"{name}: {result[name]}")
    for stage in result["stages"]:
        for problem in [*stage["problems"], *filter(None, [stage.get("error")])]:
            print(f"problem at {stage['name']!r}: {problem}")


def progressive(result: Result) -> str:
    """The stages, each beside the pipeline that ran in turns with it."""
    steps = str(result["main_steps"])
    rows = []
    for stage in result["stages"]:
        if "error" in stage:
            rows.append([stage["name"], "failed", "", "", ""])
            continue
        times = stage["steps"][steps]
        rows.append(
            [
                stage["name"],
                *(f"{times[key]['p50']:.1f}" for key in ("pipe_ms", "full_decoder_ms")),
                f"{stage['speedup']:.2f}x",
                str(stage["max_pixel_difference"][steps]),
            ]
        )
    heads = [f"{steps} steps, full decoder", "pipe, ms", "ours, ms", "faster", "pixels differ by"]
    return table(heads, rows)


def tiers(result: Result) -> list[Result]:
    """The stages that serving goes through."""
    return [stage for stage in result["stages"] if stage["tier"] and "error" not in stage]


def step_counts(steps: Result) -> str:
    """One row for each step count."""
    names = [name for name in next(iter(steps.values())) if name.endswith("_ms")]
    rows = [
        [count, *(shown(found[name], ".1f") for name in names)] for count, found in steps.items()
    ]
    return table(["steps", *(name.removesuffix("_ms").replace("_", " ") for name in names)], rows)


def bars(result: Result) -> tuple[str, list[Bar]]:
    """The chart's title and bars: from prompt to JPEG at the usual step count.

    A bar's length is the share of the time of the pipeline that ran in turns with it: whatever else
    the machine did, both met it.
    """
    steps = str(result["main_steps"])
    done = [stage for stage in result["stages"] if "error" not in stage]
    if not done:
        return "Nothing was measured", []
    last = done[-1]["steps"][steps]
    drawn = [_bar("pipe(...)", last, "pipe_ms", peer=True)]
    compiled = result.get("compiled_pipe", {}).get("steps", {}).get(steps)
    if compiled:
        drawn.append(_bar("pipe(...) compiled", compiled, "compiled_pipe_ms", peer=True))
    drawn += [_bar(stage["name"], stage["steps"][steps], "full_decoder_ms") for stage in done]
    drawn.append(_bar("the same, preview decoder", last, "preview_decoder_ms"))
    width, height = result["size"]
    where = result.get("gpu", result["machine"])
    title = f"Prompt to JPEG: {steps} steps, {width} x {height}, {result['weights']}, {where}"
    return title, drawn


def _bar(label: str, times: Result, name: str, *, peer: bool = False) -> Bar:
    share = times[name]["p50"] / times["pipe_ms"]["p50"]
    return Bar(label, share, f"{1 / share:.2f}x   {times[name]['p50']:.0f} ms", peer)
