"""Under which addresses other machines reach this one; asks nobody, so that it works anywhere.

A laptop that is its own access point has no way to the rest of the world, often no name and no
route: so the network's own devices are looked at, and nothing is looked up.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator

import psutil

# Of containers, virtual machines and tunnels: nobody in a hall is behind them.
VIRTUAL: tuple[str, ...] = (
    "docker",
    "br-",
    "veth",
    "virbr",
    "vboxnet",
    "virtualbox",
    "vmnet",
    "vmware",
)
VIRTUAL += ("vethernet", "lxc", "tun", "tap", "utun", "wg")


def addresses() -> tuple[str, ...]:
    """IPv4 addresses of this machine in the networks around it, the likeliest first.

    Those of virtual networks only where there is nothing else.
    """
    found = list(dict.fromkeys(_of_devices()))
    real = [address for name, address in found if not name.lower().startswith(VIRTUAL)]
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
        names = () if is_loopback(host) else (host,)
    return tuple(f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}" for name in names)


def is_loopback(host: str) -> bool:
    """Whether listening on `host` reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _likeliest_first(found: Iterable[str]) -> list[str]:
    """Those of home and hall networks before others; what a device gives itself comes last."""

    def unlikely(address: str) -> tuple[bool, bool]:
        known = ipaddress.ip_address(address)
        return known.is_link_local, not known.is_private

    return sorted(found, key=unlikely)


def _of_devices() -> Iterator[tuple[str, str]]:
    """Names and IPv4 addresses of the network devices that are on."""
    states = psutil.net_if_stats()
    for name, found in psutil.net_if_addrs().items():
        if name in states and not states[name].isup:
            continue
        for each in found:
            if each.family == socket.AF_INET and not is_loopback(each.address):
                yield name, each.address
