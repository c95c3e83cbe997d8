"""The options of `doctor`: `doctor.py` beside this folder does it, or `talk/rehearsal.py`."""

from __future__ import annotations

import argparse
import logging

from ..errors import InvalidSetting
from ..settings import ENGINE_SETTINGS
from .options import add_settings, settings_from


def add_options(parser: argparse.ArgumentParser) -> None:
    others = ("host", "port", "files_dir", "safety_checker", "audience_seats", "fallback")
    add_settings(parser, (*others, *ENGINE_SETTINGS))
    another = parser.add_mutually_exclusive_group()
    another.add_argument(
        "--gpu", metavar="NAME", help='instead: what fits a GPU that is not here, e.g. "RTX 4090"'
    )
    another.add_argument(
        "--memory", type=float, metavar="GIB", help="the same, by its free memory, 1 to 1024 GiB"
    )
    another.add_argument(
        "--talk",
        action="store_true",
        help="instead: rehearse a talk with the network off, and say what is to be mended",
    )
    parser.add_argument(
        "--phones",
        type=int,
        default=0,
        metavar="N",
        help="with --talk: phones that will join, 0 to 1000 (default: 0, no audience)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..doctor import describe_memory, examine

    if args.gpu is not None or args.memory is not None:
        return describe_memory(args.gpu, args.memory)
    if args.talk:
        from ..talk.rehearsal import rehearse

        logging.disable(logging.INFO)  # what was found is what is to be read
        return rehearse(settings_from(args), args.phones)
    if args.phones:
        raise InvalidSetting("phones: is for a rehearsal; give --talk, too.")
    return examine(settings_from(args))
