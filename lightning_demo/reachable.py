"""Under which addresses other machines reach this one; asks nobody, so that it works anywhere.

A laptop that is its own access point has no way to the rest of the world, often no name and no
route: so the network's own devices are looked at, and nothing is looked up.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import ipaddress
import os
import socket
import sys
from collections.abc import Iterable, Iterator

UP, LOOPBACK = 0x1, 0x8  # flags of a network device, everywhere but on Windows
# Of containers, virtual machines and tunnels: nobody in a hall is behind them.
VIRTUAL = ("docker", "br-", "veth", "virbr", "vboxnet", "vmnet", "lxc", "tun", "tap", "utun", "wg")


def addresses() -> tuple[str, ...]:
    """IPv4 addresses of this machine in the networks around it, the likeliest first.

    Those of virtual networks only where there is nothing else.
    """
    found = list(dict.fromkeys(_on_windows() if os.name == "nt" else _of_devices()))
    real = [address for name, address in found if not name.startswith(VIRTUAL)]
    return tuple(_likeliest_first(real or [address for _, address in found]))


def urls(host: str, port: int, *, https: bool = False) -> tuple[str, ...]:
    """Where others find a server of this machine; nowhere if it listens for this machine alone.

    Args:
        host: the address that it listens on.
    """
    scheme, host = "https" if https else "http", host.strip("[]")
    if host in ("0.0.0.0", "::", ""):  # noqa: S104
        names: Iterable[str] = addresses()
    else:
        names = () if _only_here(host) else (host,)
    return tuple(f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}" for name in names)


def _only_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _likeliest_first(found: Iterable[str]) -> list[str]:
    """Those of home and hall networks before others; what a device gives itself comes last."""

    def unlikely(address: str) -> tuple[bool, bool]:
        known = ipaddress.ip_address(address)
        return known.is_link_local, not known.is_private

    return sorted(found, key=unlikely)


class _Name(ctypes.Structure):
    """C's `struct sockaddr_in`; on BSD and macOS its first byte is the length."""

    _fields_ = (
        ("length_family", ctypes.c_uint8 * 2),
        ("port", ctypes.c_uint16),
        ("address", ctypes.c_uint8 * 4),
    )

    @property
    def family(self) -> int:
        """AF_…, all of them below 256."""
        first, second = self.length_family
        return int(first if sys.platform == "linux" else second)


class _Device(ctypes.Structure):
    """C's `struct ifaddrs`, as far as it is read."""


_Device._fields_ = (
    ("next", ctypes.POINTER(_Device)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.POINTER(_Name)),
)


def _of_devices() -> Iterator[tuple[str, str]]:
    """Names and IPv4 addresses of devices that are on."""
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    first = ctypes.POINTER(_Device)()
    if library.getifaddrs(ctypes.byref(first)):
        return
    try:
        place = first
        while place:
            device = place.contents
            usable = device.flags & UP and not device.flags & LOOPBACK
            if usable and device.address and device.address.contents.family == socket.AF_INET:
                packed = bytes(device.address.contents.address)
                yield device.name.decode("utf-8", "replace"), socket.inet_ntoa(packed)
            place = device.next
    finally:
        library.freeifaddrs(first)


def _on_windows() -> Iterator[tuple[str, str]]:
    """There the machine's own name is told by itself, with the addresses of all its devices."""
    try:
        found = socket.gethostbyname_ex(socket.gethostname())[2]
    except OSError:
        found = []
    for address in found:
        if not _only_here(address):
            yield "", address
