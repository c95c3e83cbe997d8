"""The `bench` commands about many people."""

from __future__ import annotations

import argparse

from ..errors import InvalidSetting
from ..settings import cpu_threads
from .arguments import THREADS, add_files, positive, whole


def add_parsers(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `together`, `many` and `simulate`."""
    _add_together(benches)
    _add_many(benches)
    _add_simulate(benches)


def _add_together(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    together = benches.add_parser(
        "together",
        help="several people's pictures at once, beside pipe(...) one after another",
    )
    together.add_argument("--users", type=positive, default=8, help="default: 8")
    together.add_argument(
        "--weights",
        choices=("auto", "miniature", "thin", "full", "real"),
        default="thin",
        help="as for `bench model` (default: thin)",
    )
    together.add_argument("--num-inference-steps", type=int, default=4, choices=(1, 2, 4, 8))
    together.add_argument("--rounds", type=positive, default=5, help="default: 5")
    together.add_argument("--threads", type=positive, default=cpu_threads(), help=THREADS)
    together.add_argument("--device", default="auto", help="torch device, e.g. cpu, cuda:1")
    together.set_defaults(run=_run_together)


def _add_many(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    many = benches.add_parser(
        "many",
        help="many people typing at once, beside the usual ways to serve them",
        description="Types at the running demo and at its peers, in turns, over real sockets.",
    )
    many.add_argument(
        "--users",
        type=whole(1, 200),
        nargs="+",
        default=(16,),
        metavar="N",
        help="people typing at the same time, 1 to 200; several numbers one after another "
        "(default: 16)",
    )
    many.add_argument(
        "--seconds", type=whole(1, 600), default=16, help="of typing, 1 to 600 (default: 16)"
    )
    many.add_argument(
        "--rounds", type=whole(1, 100), default=1, help="each side's turns (default: 1)"
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
    many.add_argument("--threads", type=whole(1, 256), default=cpu_threads(), help=THREADS)
    add_files(many, "waiting over users")
    many.set_defaults(run=_run_many)


def _add_simulate(benches: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    simulate = benches.add_parser(
        "simulate",
        help="many people typing at GPUs that are not here",
        description="Runs the real scheduling code on a virtual clock; the same every time.",
    )
    simulate.add_argument(
        "--users",
        type=whole(1, 10_000),
        nargs="+",
        default=(1, 16, 64, 256, 1000),
        metavar="N",
        help="people typing at the same time, 1 to 10000 (default: 1 16 64 256 1000)",
    )
    simulate.add_argument(
        "--gpus",
        type=whole(1, 1024),
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
        "--seconds", type=whole(1, 3600), default=60, help="of typing, 1 to 3600 (default: 60)"
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
        type=whole(0, 60_000),
        default=0,
        metavar="MS",
        help="of each session, 0 to 60000; 0: no drafts while typing (default: 0)",
    )
    simulate.add_argument("--threads", type=whole(1, 256), default=cpu_threads(), help=THREADS)
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
    add_files(simulate, "waiting over users")
    simulate.set_defaults(run=_run_simulate)


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
    save(result, args.out)
    if args.plot:
        plot(args.plot, result)
    finish(result)
    return 0


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
