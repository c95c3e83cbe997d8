"""The options of `screenshots`: `bench/screenshots.py` takes them."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Starts a server with the miniature and takes a picture of every view, light "
        "and dark, at three widths, with the Chromium of this machine."
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the pictures")
    parser.add_argument("views", nargs="*", metavar="VIEW", help="only these")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..bench.screenshots import screenshots

    print(f"{screenshots(Path(args.out), args.views)} pictures in {args.out}")
    return 0
