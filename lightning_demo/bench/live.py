"""`bench live`: one person typing steadily, at the running demo and at what people write today.

It is `bench many` with one user, beside a bare generation: UNet calls and decode, nothing else.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..model.weights.checkpoints import MINIATURE
from ..schemas import GenerationRequest
from . import report
from .many import type_at, warm_up
from .score import Round, Trace, score
from .servers import OURS, serve_all
from .typists import CHARACTERS, KEYS_PER_SECOND, steady_typist

if TYPE_CHECKING:
    from ..model.sampling.sampler import Sampler

PEER = "always_last"
BARE_REPEATS = 15
TIMES = ("first_paint", "last_key_to_final")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench live`."""
    parser.add_argument(
        "--seeds", type=report.positive, default=6, help="rounds of typing (default: 6)"
    )
    parser.add_argument(
        "--slower",
        type=report.whole(1, 16),
        default=1,
        metavar="N",
        help="how many times as long the model takes, at all servers, 1 to 16 (default: 1)",
    )
    report.add_steps(parser)
    report.add_threads(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints it; returns the JSON document."""
    import torch

    from .bench_model import miniature_sampler
    from .slowed import slowed

    torch.set_num_threads(args.threads)
    steps, bare, rounds = args.num_inference_steps, [], []
    sampler = miniature_sampler(steps)
    with serve_all((OURS, PEER), steps, args.threads, args.slower) as servers:
        warm_up(servers, [steady_typist(-1)], steps)
        for number in range(args.seeds):
            with slowed(args.slower):
                bare += bare_generations(sampler, steps)
            rounds.append(type_at(servers, [steady_typist(number)], steps))
    ours, peer = (_figures(own, report.p50_p95(bare)) for own in zip(*rounds, strict=True))
    _print(ours, peer, steps)
    speedups = {
        f"speedup_{name}_p50": round(peer[f"{name}_ms"]["p50"] / ours[f"{name}_ms"]["p50"], 2)
        for name in TIMES
    }
    return {
        "benchmark": "live",
        **ours,
        "baseline": {"name": PEER, **peer},
        **speedups,
        "num_inference_steps": steps,
        "threads": args.threads,
        "slower": args.slower,
        "keys_per_second": KEYS_PER_SECOND,
        "seeds": args.seeds,
        **report.environment(),
    }


def pictures_while_typing(trace: Trace) -> int:
    """Different texts of which something was shown before the last key."""
    last = trace.presses[-1].due
    return len({picture.key for picture in trace.pictures if picture.at <= last})


def _figures(rounds: Sequence[Round], bare: dict[str, float]) -> dict[str, Any]:
    found = score(rounds)
    times = {name: {share: found[f"{name}_ms"][share] for share in bare} for name in TIMES}
    pictures = [pictures_while_typing(trace) for each in rounds for trace in each.traces]
    return {
        "bare_generation_ms": bare,
        **{f"{name}_ms": spread for name, spread in times.items()},
        "pictures_while_typing": round(sum(pictures) / len(pictures), 1),
        **{f"{name}_ratio_p50": round(times[name]["p50"] / bare["p50"], 2) for name in TIMES},
    }


def bare_generations(sampler: Sampler, num_inference_steps: int) -> list[float]:
    """Milliseconds of UNet calls and full decode, prompt already encoded, nothing around them."""
    prompt, size = steady_typist(0).keys[-1].text, MINIATURE.sizes[0]
    times = []
    for seed in range(BARE_REPEATS):
        row = sampler.begin(GenerationRequest(prompt, "", num_inference_steps, 0.0, seed, *size))
        begun = time.perf_counter()
        while not row.done:
            sampler.step([row])
        sampler.finish(row)
        times.append((time.perf_counter() - begun) * 1000)
    return times


def _print(ours: dict[str, Any], peer: dict[str, Any], steps: int) -> None:
    labels = {
        "first_paint_ms": "first paint, ms p50/p95",
        "last_key_to_final_ms": "last key to final, ms p50/p95",
        "last_key_to_final_ratio_p50": "last key to final / bare generation",
        "pictures_while_typing": f"pictures while typing {CHARACTERS} keys",
    }
    rows = [
        [label, *(report.shown(side[key]) for side in (ours, peer))]
        for key, label in labels.items()
    ]
    print(f"one bare {steps}-step generation: {ours['bare_generation_ms']['p50']:.0f} ms")
    print(report.table(["", "this demo", PEER], rows))
