"""Whether a server that runs on this machine answers: what a container's health check asks."""

from __future__ import annotations

import sys
from http.client import HTTPException

from .ports import EVERYWHERE, ask
from .settings import Settings


def check_health(settings: Settings) -> int:
    """Asks `/healthz` of the server with these settings; returns the exit code, 0 if it is alive.

    It may still be loading its model: `/readyz` tells that.
    """
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
