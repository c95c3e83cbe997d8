"""As if the network were off: this process reaches itself and its own machine, nobody else.

For rehearsals and tests: whatever asks for more fails at once, as it would in a hall without any
network, and is noted.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

from ..reachable import addresses

HERE = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost"})


@contextlib.contextmanager
def without_network() -> Iterator[list[str]]:
    """No name of another machine is found, and none is connected to; yields those that were tried.

    The Hub's client takes its files from its cache only. Other processes are not concerned.
    """
    tried: list[str] = []
    ask, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex
    variable = os.environ.get("HF_HUB_OFFLINE")

    def asked(host: Any, *more: Any, **options: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if not _is_here(name):
            tried.append(name)
            raise socket.gaierror(socket.EAI_NONAME, "the network is off")
        return ask(host, *more, **options)

    def refused(address: Any) -> bool:
        """Whether this is another machine's; sockets of files and of devices are none."""
        other = isinstance(address, tuple) and not _is_here(str(address[0]))
        if other:
            tried.append(str(address[0]))
        return other

    def connected(self: socket.socket, address: Any) -> Any:
        if refused(address):
            raise OSError(errno.ENETUNREACH, "the network is off")
        return connect(self, address)

    def connected_ex(self: socket.socket, address: Any) -> Any:
        return errno.ENETUNREACH if refused(address) else connect_ex(self, address)

    os.environ["HF_HUB_OFFLINE"] = "1"
    with contextlib.ExitStack() as stack:
        for place, name, replacement in (
            (socket, "getaddrinfo", asked),
            (socket.socket, "connect", connected),
            (socket.socket, "connect_ex", connected_ex),
        ):
            stack.callback(setattr, place, name, getattr(place, name))
            setattr(place, name, replacement)
        try:
            yield tried
        finally:
            if variable is None:
                os.environ.pop("HF_HUB_OFFLINE", None)
            else:
                os.environ["HF_HUB_OFFLINE"] = variable


def _is_here(host: str) -> bool:
    if host.lower() in HERE:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or str(address) in addresses()
