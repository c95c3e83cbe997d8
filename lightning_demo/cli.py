"""The command line: which commands there are, and how one is run."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from . import __version__
from .errors import InvalidRequest, InvalidSetting, LightningError
from .late_parser import LateParser

Command = Callable[[argparse.Namespace], int]
# Each is the module of this name in `commands`, where nothing else is said in MODULES. Its
# `add_options(parser)` declares its options, describes it, and sets `run`, a `Command`.
HELP = {
    "serve": "open the live demo (what `python app.py` does)",
    "rollout": "replace the engines of a Ray cluster, one after another",
    "generate": "paint prompts into PNG files",
    "batch": "paint a list of prompts into a folder",
    "inspect": "print the settings inside pictures",
    "download": "fetch SDXL-Lightning's weights before they are needed",
    "compile": "compile the model beforehand, so that serving starts at full speed",
    "doctor": "check this machine and say what to do",
    "health": "ask a server on this machine whether it is alive",
    "mcp": "paint for an assistant, over standard input and output",
    "screenshots": "take a picture of every view of the page",
    "bench": "measure speed",
    "miniature": "draw, train and export the small model",
}
MODULES = {"bench": ".bench", "miniature": ".miniature.commands"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code (0 done, 1 failed, 2 wrong usage)."""
    args = build_parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("httpx", "httpcore", "PIL", "asyncio", "multipart", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    run: Command = args.run
    try:
        return run(args)
    except (InvalidRequest, InvalidSetting) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LightningError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; each is imported when it is chosen, and sets `run`."""
    parser = argparse.ArgumentParser(
        prog="python -m lightning_demo",
        description="Live text-to-image with SDXL-Lightning: a picture for every keystroke.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="log everything")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", parser_class=LateParser
    )
    for name, text in HELP.items():
        commands.add_parser(name, help=text, declare=partial(_declare, name))
    return parser


def _declare(name: str, parser: argparse.ArgumentParser) -> None:
    import_module(MODULES.get(name, f".commands.{name}"), __package__).add_options(parser)
