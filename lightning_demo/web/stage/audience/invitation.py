"""How phones find the demo: an address in the room's own network, and its QR code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import segno

from ....reachable import is_loopback, urls
from ....settings import Settings, listed
from ...guard import LOOPBACK_NAMES


def addresses(settings: Settings, port: int, share_url: str = "") -> tuple[str, ...]:
    """Where phones may find the demo, the likeliest first; none: only this machine is served."""
    if settings.audience_url:
        return (settings.audience_url.rstrip("/"),)
    if share_url:
        return (share_url.rstrip("/"),)
    host, https = settings.host, bool(settings.tls_cert)
    named = [name for name in listed(settings.allowed_hosts) if name not in LOOPBACK_NAMES]
    hosts = named if named and not is_loopback(host) else [host]
    return tuple(url for each in hosts for url in urls(each, port, https=https))


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
