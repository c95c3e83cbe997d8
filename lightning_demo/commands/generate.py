"""The options of `generate`: `generate.py` beside this folder does it."""

from __future__ import annotations

import argparse

from ..settings import ENGINE_SETTINGS
from .options import add_fields, add_server, add_settings, settings_from


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Paints each prompt into a PNG file with its settings inside, and prints one "
        "line of JSON for each."
    )
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="what to paint")
    add_fields(parser)
    parser.add_argument(
        "--out",
        default=None,
        help="the PNG file, or the folder for several prompts (default: picture.png, pictures/)",
    )
    add_server(parser)
    add_settings(parser, ENGINE_SETTINGS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..generate import generate

    return generate(args, settings_from(args))
