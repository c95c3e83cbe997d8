"""Who asks, as far as an address tells, and how much of something each may have."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import TypeVar

from starlette.requests import HTTPConnection

MAX_ADDRESSES = 10_000  # remembered; the one unheard of for longest is forgotten first
LONGEST = 64  # characters of what is no address


def address_of(connection: HTTPConnection) -> str:
    """The visitor's address; all of an IPv6 network of one household or company count as one.

    Behind a proxy that uvicorn trusts (by default one on this machine) it is the one that the
    proxy names, otherwise the proxy's own: a header that anybody can send is not believed.
    """
    return normal(connection.client.host if connection.client else "")


def normal(host: str) -> str:
    """One spelling for each address; an IPv6 address without the half that changes daily."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:LONGEST]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


Key = TypeVar("Key", bound=Hashable)


def discount(counts: Counter[Key], key: Key, number: int = 1) -> None:
    """So many less; who has none left, e.g. an address, is forgotten."""
    counts[key] -= number
    if counts[key] <= 0:
        del counts[key]


class Allowance:
    """So many at once and then so many a second, for each address. Takes the time as argument."""

    def __init__(self, at_once: int, per_second: float) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how many, when

    def take(self, address: str, now: float, count: int = 1) -> float:
        """Takes so many or none; 0, or the seconds until there are so many."""
        left, then = self._left.pop(address, (float(self._at_once), now))
        left = min(self._at_once, left + (now - then) * self._per_second)
        taken = left >= count
        self._left[address] = (left - count if taken else left, now)
        if len(self._left) > MAX_ADDRESSES:
            self._left.popitem(last=False)
        return 0.0 if taken else (count - left) / self._per_second

    def give_back(self, address: str) -> None:
        """What was taken last does not count."""
        if address in self._left:
            left, then = self._left[address]
            self._left[address] = (left + 1, then)
