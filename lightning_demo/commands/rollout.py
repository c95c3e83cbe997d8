"""The `rollout` command: new replicas in place of a Ray cluster's."""

from __future__ import annotations

import argparse
import os

from ..settings import Settings, variable
from .options import add_settings


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Starts every replica of a running demo (--engine ray) anew, one after "
        "another, each of which first finishes what it paints: for new code on the machines of "
        "the cluster. Ends when all that paint are new."
    )
    add_settings(parser, ("ray_address",))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..engine.ray.rollout import rollout
    from ..web.replica import Replica

    address = args.ray_address or os.environ.get(variable("ray_address")) or "auto"
    return rollout(Settings(engine="ray", ray_address=address), Replica)
