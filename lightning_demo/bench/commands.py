"""The `bench` commands."""

from __future__ import annotations

import argparse


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
