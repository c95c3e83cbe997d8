"""How phones find the demo: an address in the room's own network, and its QR code."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import segno

from ....settings import Settings, listed
from ...guard import LOOPBACK_NAMES, is_loopback

ANY = ("0.0.0.0", "::", "")  # noqa: S104 - to be compared with
# Nothing is sent to these: a UDP socket "connects" by choosing the address it would send from.
PROBES = ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254", "192.168.137.254")
VIRTUAL = ("lo", "docker", "br-", "veth", "virbr", "vmnet", "tun", "utun")


def addresses(settings: Settings, port: int, share_url: str = "") -> tuple[str, ...]:
    """Where phones may find the demo, the likeliest first; none: only this machine is served."""
    if settings.audience_url:
        return (settings.audience_url.rstrip("/"),)
    if share_url:
        return (share_url.rstrip("/"),)
    scheme = "https" if settings.tls_cert else "http"
    named = [name for name in listed(settings.allowed_hosts) if name not in LOOPBACK_NAMES]
    host = settings.host.strip("[]")
    if is_loopback(host):
        hosts: list[str] = []
    elif named:
        hosts = named
    else:
        hosts = list(own_addresses()) if host in ANY else [host]
    return tuple(f"{scheme}://{f'[{h}]' if ':' in h else h}:{port}" for h in hosts)


def own_addresses() -> tuple[str, ...]:
    """This machine's IPv4 addresses that others may reach, the one of its usual way first."""
    found = [*_by_probes(), *_by_name(), *_by_interface()]
    usable = [a for a in found if not a.startswith(("127.", "0.", "169.254."))]
    return tuple(dict.fromkeys(usable)) or tuple(
        dict.fromkeys(a for a in found if a.startswith("169.254."))
    )


@lru_cache(64)
def invitation(url: str, large: bool) -> dict[str, Any]:
    """The address and its code, as a wall draws it: an SVG path of squares of side 1."""
    matrix = segno.make(url, error="m", micro=False).matrix
    path = "".join(
        f"M{x} {y}h{length}v1h-{length}z"
        for y, row in enumerate(matrix)
        for x, length in _runs(row)
    )
    return {"url": url, "size": len(matrix), "path": path, "large": large}


def _runs(row: bytearray) -> Iterator[tuple[int, int]]:
    """Where the dark modules of a row begin, and how many there are in a row."""
    start = None
    for x, dark in enumerate([*row, 0]):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            yield start, x - start
            start = None


def _by_probes() -> Iterator[str]:
    for target in PROBES:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
                yield str(probe.getsockname()[0])
            except OSError:
                continue


def _by_name() -> list[str]:
    try:
        found = socket.gethostbyname_ex(socket.gethostname())[2]
    except OSError:
        return []
    # Debian's own name is at 127.0.1.1; elsewhere all addresses are under it.
    return found


def _by_interface() -> Iterator[str]:
    """Those of each network interface but virtual ones, where the system tells: an access point
    has no way out of it, and maybe no name."""
    if not sys.platform.startswith("linux"):
        return
    import fcntl

    get_address = 0x8915  # SIOCGIFADDR
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            if name.startswith(VIRTUAL):
                continue
            try:
                answer = fcntl.ioctl(asker, get_address, name.encode()[:15].ljust(256, b"\0"))
            except OSError:
                continue
            yield socket.inet_ntoa(answer[20:24])
