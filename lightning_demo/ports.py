"""Whether the demo can listen where it is told to, and who does already."""

from __future__ import annotations

import errno
import json
import os
import socket
import ssl
from contextlib import closing

from .errors import InvalidSetting

QUICK_SECONDS = 1.0
SECONDS = 4.0  # less than the Dockerfile gives its whole health check
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and where that is reached from here
MAX_ANSWER = 2**20  # bytes


def free_port(host: str, port: int) -> int:
    """`port` if it can be had, or any free one for 0.

    Args:
        host: an address of version 6 may stand in brackets, as in a URL.

    Raises:
        InvalidSetting: when it cannot, saying what to do.
    """
    host = host.strip("[]")
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(kind) as probe:
        if os.name == "posix":  # elsewhere this would allow a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return int(probe.getsockname()[1])
        except socket.gaierror:
            raise InvalidSetting(f"host: {host!r} is not an address of this machine.") from None
        except PermissionError:
            raise InvalidSetting(
                f"port: {port} needs special rights; choose one above 1023 with --port."
            ) from None
        except OSError as error:
            why = f"cannot be used ({error.strerror})"
            if error.errno == errno.EADDRINUSE and (url := running_demo(host, port)):
                why = f"is taken by this demo, which runs already at {url}"
            raise InvalidSetting(
                f"port: {host}:{port} {why}; choose another with --port, or --port 0 for any free "
                "one."
            ) from None


def running_demo(host: str, port: int) -> str:
    """The address of a server of this demo that listens there; empty where there is none."""
    from http.client import HTTPException  # which nobody needs whose port is free

    host = EVERYWHERE.get(host, host)
    named = f"[{host}]" if ":" in host else host
    for scheme in ("http", "https"):
        try:
            _, said = ask(host, port, "/healthz", tls=scheme == "https", seconds=QUICK_SECONDS)
            content = json.loads(said)
        except TimeoutError:  # something else, which waits to be spoken to
            return ""
        except (OSError, HTTPException, ValueError):
            continue
        if isinstance(content, dict) and content.get("type") == "status" and "draining" in content:
            return f"{scheme}://{named}:{port}"
    return ""


def ask(
    host: str, port: int, path: str, *, tls: bool, seconds: float = SECONDS
) -> tuple[int, bytes]:
    """Asks a server on this machine something; without any proxy that the environment names.

    Returns:
        The HTTP status, and what it says.

    Raises:
        OSError, HTTPException: it does not answer, or not so.
    """
    from http.client import HTTPConnection, HTTPSConnection

    connection = HTTPConnection(host, port, timeout=seconds)
    if tls:
        context = ssl.create_default_context()
        # The certificate is for the name that visitors know; nobody is between us and ourselves.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection(host, port, timeout=seconds, context=context)
    with closing(connection):
        # This machine's own name is allowed whatever --allowed-hosts says.
        connection.request("GET", path, headers={"Host": "localhost"})
        with closing(connection.getresponse()) as answer:
            return answer.status, answer.read(MAX_ANSWER)
