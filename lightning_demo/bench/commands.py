"""The `bench` commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ..errors import InvalidSetting


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
    live.add_argument("--threads", type=int, default=2, help="CPU threads a server (default: 2)")
    live.set_defaults(run=_run_live)

    engine = benches.add_parser("engine", help="what Python costs around the models")
    engine.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    engine.set_defaults(run=_run_engine)

    refine = benches.add_parser(
        "refine", help="how far the picture jumps from a draft to what was asked for"
    )
    refine.add_argument("--prompts", type=_positive, default=96, help="default: 96")
    refine.add_argument("--threads", type=_positive, default=2, help="CPU threads (default: 2)")
    refine.set_defaults(run=_run_refine)

    _add_together(benches)
    _add_model(benches)
    _add_many(benches)
    _add_simulate(benches)
    _add_gpu_check(benches)


def _add_together(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    together = benches.add_parser(
        "together",
        help="several people's pictures at once, beside pipe(...) one after another",
    )
    together.add_argument("--users", type=_positive, default=8, help="default: 8")
    together.add_argument(
        "--weights",
        choices=("auto", "miniature", "thin", "full", "real"),
        default="thin",
        help="as for `bench model` (default: thin)",
    )
    together.add_argument("--num-inference-steps", type=int, default=4, choices=(1, 2, 4, 8))
    together.add_argument("--rounds", type=_positive, default=5, help="default: 5")
    together.add_argument("--threads", type=_positive, default=2, help="CPU threads (default: 2)")
    together.add_argument("--device", default="auto", help="torch device, e.g. cpu, cuda:1")
    together.set_defaults(run=_run_together)


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
    model.add_argument("--rounds", type=_positive, default=8, help="default: 8")
    counts = (1, 2, 4, 8)
    model.add_argument(
        "--steps", type=int, nargs="+", choices=counts, default=counts, help="default: 1 2 4 8"
    )
    model.add_argument(
        "--batches",
        type=_positive,
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
    model.add_argument("--threads", type=_positive, default=2, help="CPU threads (default: 2)")
    model.add_argument("--plot", type=Path, metavar="FILE", help="bars as FILE.png or FILE.svg")
    model.add_argument("--out", type=Path, metavar="FILE", help="also keep the JSON as FILE")
    model.set_defaults(run=_run_model)


def _add_many(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    many = benches.add_parser(
        "many",
        help="many people typing at once, beside the usual ways to serve them",
        description="Types at the running demo and at its peers, in turns, over real sockets.",
    )
    many.add_argument(
        "--users",
        type=_whole(1, 200),
        nargs="+",
        default=(16,),
        metavar="N",
        help="people typing at the same time, 1 to 200; several numbers one after another "
        "(default: 16)",
    )
    many.add_argument(
        "--seconds", type=_whole(1, 600), default=16, help="of typing, 1 to 600 (default: 16)"
    )
    many.add_argument(
        "--rounds", type=_whole(1, 100), default=1, help="each side's turns (default: 1)"
    )
    peers = ("always_last", "gradio_stream", "fifo")
    many.add_argument(
        "--peers",
        nargs="*",
        choices=peers,
        default=peers,
        metavar="PEER",
        help=f"of {', '.join(peers)}; none after the option: ours alone (default: all)",
    )
    many.add_argument(
        "--num-inference-steps", type=int, choices=(2, 4, 8), default=4, help="default: 4"
    )
    many.add_argument(
        "--threads", type=_whole(1, 256), default=2, help="CPU threads a server (default: 2)"
    )
    many.add_argument(
        "--plot", type=Path, metavar="FILE", help="waiting over users as FILE.png or FILE.svg"
    )
    many.add_argument("--out", type=Path, metavar="FILE", help="also keep the JSON as FILE")
    many.set_defaults(run=_run_many)


def _add_simulate(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    simulate = benches.add_parser(
        "simulate",
        help="many people typing at GPUs that are not here",
        description="Runs the real scheduling code on a virtual clock; the same every time.",
    )
    simulate.add_argument(
        "--users",
        type=_whole(1, 10_000),
        nargs="+",
        default=(1, 16, 64, 256, 1000),
        metavar="N",
        help="people typing at the same time, 1 to 10000 (default: 1 16 64 256 1000)",
    )
    simulate.add_argument(
        "--gpus",
        type=_whole(1, 1024),
        nargs="+",
        default=(1, 4, 16, 64),
        metavar="N",
        help="GPUs that share them, 1 to 1024 (default: 1 4 16 64)",
    )
    simulate.add_argument(
        "--costs",
        default="h200-1024",
        metavar="MODEL",
        help="what calls take: h200-1024, h200-512 (published figures and targets), miniature "
        "(measured here), or a JSON file (default: h200-1024)",
    )
    simulate.add_argument(
        "--seconds", type=_whole(1, 3600), default=60, help="of typing, 1 to 3600 (default: 60)"
    )
    simulate.add_argument(
        "--num-inference-steps",
        type=int,
        nargs="+",
        choices=(1, 2, 4, 8),
        default=(4,),
        help="several: users take them in turn (default: 4)",
    )
    simulate.add_argument(
        "--latency-budget",
        type=_whole(0, 60_000),
        default=0,
        metavar="MS",
        help="of each session, 0 to 60000; 0: no drafts while typing (default: 0)",
    )
    simulate.add_argument(
        "--threads", type=_whole(1, 256), default=2, help="of the miniature (default: 2)"
    )
    kind = simulate.add_mutually_exclusive_group()
    kind.add_argument(
        "--caps",
        action="store_true",
        help="compare how many rows may share a call, in scenarios of their own on one GPU",
    )
    kind.add_argument(
        "--check",
        action="store_true",
        help="type at the real miniature in this process, and at its simulation",
    )
    simulate.add_argument(
        "--plot", type=Path, metavar="FILE", help="waiting over users as FILE.png or FILE.svg"
    )
    simulate.add_argument("--out", type=Path, metavar="FILE", help="also keep the JSON as FILE")
    simulate.set_defaults(run=_run_simulate)


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


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
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


def _run_together(args: argparse.Namespace) -> int:
    from .report import finish
    from .together import bench_together

    finish(
        bench_together(
            args.weights,
            args.users,
            args.num_inference_steps,
            args.rounds,
            args.threads,
            args.device,
        )
    )
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


def _run_many(args: argparse.Namespace) -> int:
    from .shapes import check_suffix

    if args.plot:
        check_suffix(args.plot)
    from .many import Plan, bench_many, plot
    from .report import finish, save

    plan = Plan(
        users=tuple(args.users),
        seconds=args.seconds,
        rounds=args.rounds,
        peers=tuple(dict.fromkeys(args.peers)),
        num_inference_steps=args.num_inference_steps,
        threads=args.threads,
    )
    result = bench_many(plan)


def _run_simulate(args: argparse.Namespace) -> int:
    from .shapes import check_suffix

    if args.plot:
        if args.caps or args.check:
            raise InvalidSetting("plot: there are no curves to draw of --caps and --check.")
        check_suffix(args.plot)
    from .report import finish, save
    from .simulate import Plan, bench_caps, bench_check, bench_simulate, plot

    plan = Plan(
        users=tuple(sorted(set(args.users))),
        gpus=tuple(sorted(set(args.gpus))),
        costs=args.costs,
        seconds=args.seconds,
        num_inference_steps=tuple(args.num_inference_steps),
        latency_budget=args.latency_budget,
        threads=args.threads,
    )
    bench = bench_caps if args.caps else bench_check if args.check else bench_simulate
    result = bench(plan)
    save(result, args.out)
    if args.plot:
        plot(args.plot, result)
    finish(result)
    return 0


def _run_gpu_check(args: argparse.Namespace) -> int:
    from .gpu_check import gpu_check
    from .report import finish

    result = gpu_check(args.out, args.minutes, small=args.small, inductor=args.compile)
    finish(result)
    return int(any(check["status"] == "fail" for check in result["checks"]))
