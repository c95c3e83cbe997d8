"""The `mcp` command: a tool of an assistant on this machine."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..settings import ENGINE_SETTINGS
from .options import add_settings, settings_from


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Speaks the Model Context Protocol over standard input and output, as desktop "
        "assistants start their tools. A server that runs already offers the same at /mcp."
    )
    add_settings(parser, ENGINE_SETTINGS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import asyncio

    from ..engine.build import build_engine
    from ..web.api.mcp import serve_stdio

    # An assistant asks seldom: nothing is gained by compiling for minutes beside it.
    settings = replace(settings_from(args), compile=False)
    asyncio.run(serve_stdio(build_engine(settings)))
    return 0
