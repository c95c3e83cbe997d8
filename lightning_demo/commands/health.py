"""The `health` command: whether a server on this machine answers, as containers ask."""

from __future__ import annotations

import argparse
import sys
from http.client import HTTPException

from ..ports import EVERYWHERE, ask
from .options import add_settings, settings_from


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Asks /healthz of the server that was started with these options or "
        "variables; ends with 0 if it answers. For health checks of containers."
    )
    add_settings(parser, ("host", "port", "tls_cert", "tls_key"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Asks `/healthz`; 0 if the server is alive.

    It may still be loading its model: `/readyz` tells that.
    """
    settings = settings_from(args)
    host = settings.host.strip("[]")
    host = EVERYWHERE.get(host, host)
    try:
        status, _ = ask(host, settings.port, "/healthz", tls=bool(settings.tls_cert))
    except (OSError, HTTPException) as error:
        print(f"error: port {settings.port} does not answer ({error}).", file=sys.stderr)
        return 1
    if status != 200:
        print(f"error: port {settings.port} answers {status}.", file=sys.stderr)
        return 1
    return 0
