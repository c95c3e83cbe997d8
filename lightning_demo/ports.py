"""Whether the demo can listen where it is told to."""

from __future__ import annotations

import os
import socket

from .errors import InvalidSetting


def free_port(host: str, port: int) -> int:
    """`port` if it can be had, or any free one for 0.

    Raises:
        InvalidSetting: when it cannot, saying what to do.
    """
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
            raise InvalidSetting(
                f"port: {host}:{port} cannot be used ({error.strerror}); choose another with "
                "--port, or --port 0 for any free one."
            ) from None
