"""The options of `download`: `download.py` beside this folder does it."""

from __future__ import annotations

import argparse

from ..schemas import STEP_COUNTS
from .options import add_settings, number, settings_from


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fetches what painting in the given step counts needs from the Hugging Face "
        "Hub into its ordinary cache; the demo then starts without the network."
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        type=number,
        metavar="N",
        help=f"{', '.join(map(str, STEP_COUNTS))}; each has its own checkpoint (default: 4)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="fetch nothing; compare every file here with its published hash",
    )
    add_settings(parser, ("model", "variant", "base"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..download import download

    return download(args, settings_from(args))
