"""Who asks for a picture over HTTP, and how much of it each may have."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Literal

from starlette.requests import HTTPConnection

from ..engine.base import Origin
from .addresses import address_of

BURST = 64  # pictures without waiting, the most that an API takes at once, and then
PER_SECOND = 4.0
AT_ONCE = 64  # pictures painted and waiting


@dataclass(frozen=True, slots=True)
class Caller:
    """One who asks: an address, or the holder of an API key."""

    kind: Literal["address", "key"]
    name: str  # for the log and for what it has used; never a secret
    per_second: float = PER_SECOND  # pictures, after a burst of `BURST`; inf: as many as there are
    at_once: int = AT_ONCE  # pictures that may be painted or wait at one time
    origin: Origin = "api"  # whether a program asks
    yields: bool = False  # whether these pictures give way to all others
    server: bool = False  # whether it is one of ours: what it says of its visitors is believed

    @property
    def client(self) -> Hashable:
        """Whose pictures take turns with one another in the engine."""
        return self.kind, self.name

    @property
    def key(self) -> str | None:
        """The name of the key that it holds."""
        return self.name if self.kind == "key" else None


def caller_at(connection: HTTPConnection) -> Caller:
    """Whoever is known by the address only."""
    return Caller("address", address_of(connection))


def trusted(caller: Caller, at_once: int = 1_000) -> Caller:
    """The same without a limit for each second, as programs on this machine get it."""
    return replace(caller, per_second=math.inf, at_once=at_once, server=True)
