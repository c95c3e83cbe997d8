"""The `health` command: whether a server on this machine answers, as containers ask."""

from __future__ import annotations

import argparse
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from ..settings import Settings
from .options import add_settings, settings_from

SECONDS = 4.0  # less than the Dockerfile gives the whole check
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and where that is reached from here


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
    try:
        status = _status(settings)
    except (OSError, HTTPException) as error:
        print(f"error: port {settings.port} does not answer ({error}).", file=sys.stderr)
        return 1
    if status != 200:
        print(f"error: port {settings.port} answers {status}.", file=sys.stderr)
        return 1
    return 0


def _status(settings: Settings) -> int:
    """The HTTP status; without any proxy that the environment names."""
    host = settings.host.strip("[]")
    host = EVERYWHERE.get(host, host)
    if settings.tls_cert:
        context = ssl.create_default_context()
        # The certificate is for the name that visitors know; nobody is between us and ourselves.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection: HTTPConnection = HTTPSConnection(
            host, settings.port, timeout=SECONDS, context=context
        )
    else:
        connection = HTTPConnection(host, settings.port, timeout=SECONDS)
    try:
        # This machine's own name is allowed whatever --allowed-hosts says.
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status
    finally:
        connection.close()
