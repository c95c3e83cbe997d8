"""The `bench` commands."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..settings import cpu_threads
from .arguments import THREADS, add_files, positive
from .many_commands import add_parsers as add_many


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `bench` and what can be measured to the command line."""
    parser = commands.add_parser(
        "bench",
        help="measure speed",
        description="Each prints a table, and one JSON document as its last line.",
    )
    benches = parser.add_subparsers(title="benchmarks", required=True, metavar="BENCHMARK")

    live = benches.add_parser("live", help="typing at the running demo, beside the usual way")
    live.add_argument("--seeds", type=int, default=3, help="rounds of typing (default: 3)")
    live.add_argument("--num-inference-steps", type=int, default=4, help="default: 4")
    live.add_argument("--threads", type=positive, default=cpu_threads(), help=THREADS)
    live.set_defaults(run=_run_live)

    engine = benches.add_parser("engine", help="what Python costs around the models")
    engine.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    engine.set_defaults(run=_run_engine)

    refine = benches.add_parser(
        "refine", help="how far the picture jumps from a draft to what was asked for"
    )
    refine.add_argument("--prompts", type=positive, default=96, help="default: 96")
    refine.add_argument("--threads", type=positive, default=cpu_threads(), help=THREADS)
    refine.set_defaults(run=_run_refine)

    _add_model(benches)
    add_many(benches)
    _add_gpu_check(benches)


def _add_model(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    model = benches.add_parser(
        "model",
        help="the model itself, beside diffusers' pipeline",
        description="Switches the optimisations on one after another, each beside pipe(...).",
    )
    model.add_argument(
        "--weights",
        choices=("auto", "miniature", "thin", "full", "real"),
        default="auto",
        help="thin and full are random in SDXL's shape; auto: on a GPU the real ones if they are "
        "on this machine, else full; without a GPU the miniature",
    )
    model.add_argument("--rounds", type=positive, default=8, help="default: 8")
    counts = (1, 2, 4, 8)
    model.add_argument(
        "--steps", type=int, nargs="+", choices=counts, default=counts, help="default: 1 2 4 8"
    )
    model.add_argument(
        "--batches",
        type=positive,
        nargs="*",
        default=counts,
        metavar="B",
        help="pictures in one UNet call (default: 1 2 4 8); each is compiled where compiling is on",
    )
    model.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="compile, and compare with pipe(...) compiled; minutes (default: on a GPU only)",
    )
    model.add_argument("--device", default="auto", help="torch device, e.g. cpu, cuda:1")
    model.add_argument("--threads", type=positive, default=cpu_threads(), help=THREADS)
    add_files(model, "bars")
    model.set_defaults(run=_run_model)


def _add_gpu_check(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = benches.add_parser(
        "gpu-check",
        help="everything that only a GPU can show, within minutes",
        description="Runs every check, each in its own time; one that fails stops no other.",
    )
    check.add_argument(
        "--out", type=Path, default=Path("gpu-check"), help="folder (default: gpu-check)"
    )
    check.add_argument("--minutes", type=float, default=9.0, help="for all of it (default: 9)")
    check.add_argument(
        "--small", action="store_true", help="small models on the CPU; what happens without a GPU"
    )
    check.add_argument(
        "--compile", action="store_true", help="with --small: compile by inductor, which takes long"
    )
    check.set_defaults(run=_run_gpu_check)


def _run_live(args: argparse.Namespace) -> int:
    from .live import bench_live
    from .report import finish

    finish(bench_live(args.seeds, args.num_inference_steps, args.threads))
    return 0


def _run_engine(args: argparse.Namespace) -> int:
    from .orchestration import bench_engine
    from .report import finish

    finish(bench_engine(args.threads))
    return 0


def _run_refine(args: argparse.Namespace) -> int:
    from .refine import bench_refine
    from .report import finish

    finish(bench_refine(args.prompts, args.threads))
    return 0


def _run_model(args: argparse.Namespace) -> int:
    from .chart import draw
    from .shapes import check_suffix

    if args.plot:
        check_suffix(args.plot)
    from .model import Plan, bench_model
    from .model_tables import bars
    from .report import finish

    plan = Plan(
        weights=args.weights,
        device=args.device,
        rounds=args.rounds,
        steps=tuple(sorted(set(args.steps))),
        batches=tuple(args.batches),
        compile=args.compile,
        threads=args.threads,
        out=args.out,
    )
    result = bench_model(plan)
    if args.plot:
        draw(args.plot, *bars(result))
    finish(result)
    return int(any("error" in stage for stage in result["stages"]))


def _run_gpu_check(args: argparse.Namespace) -> int:
    from .gpu_check import gpu_check
    from .report import finish

    result = gpu_check(args.out, args.minutes, small=args.small, inductor=args.compile)
    finish(result)
    return int(any(check["status"] == "fail" for check in result["checks"]))
