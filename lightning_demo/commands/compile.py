"""The options of `compile`: `compile.py` beside this folder does it."""

from __future__ import annotations

import argparse

from ..settings import ENGINE_SETTINGS, SPEED_SETTINGS
from .options import add_settings, settings_from


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Leaves programs as files for servers to load. Beside a server that has room "
        "for it on its GPU this happens by itself; before a talk it is better done already."
    )
    parser.add_argument(
        "--size",
        type=_size,
        nargs="+",
        default=(),
        metavar="WIDTHxHEIGHT",
        help="px, of those that the model was trained at (default: its native one)",
    )
    parser.add_argument(
        "--plan",
        metavar="UNETS,DECODER,ENCODERS",
        help="of the server beside which this runs: 4,full,stay (default: what fits now)",
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end early when standard input closes; how the server runs it",
    )
    add_settings(parser, (*ENGINE_SETTINGS, *SPEED_SETTINGS))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..compile import compile_model

    return compile_model(settings_from(args), args.size, args.plan, args.until_stdin_closes)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text} is not WIDTHxHEIGHT, as in 1024x1024")
    return int(width), int(height)
