"""Whether a server that runs on this machine answers: what a container's health check asks."""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from .settings import Settings

SECONDS = 4.0  # less than the Dockerfile gives the whole check
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and where that is reached from here


def check_health(settings: Settings) -> int:
    """Asks `/healthz` of the server with these settings; returns the exit code, 0 if it is alive.

    It may still be loading its model: `/readyz` tells that.
    """
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
