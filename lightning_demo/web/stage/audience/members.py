"""Who is in the audience: a number, a colour and perhaps a name for each phone. Takes the time.

A phone has no account: it gets a random token, by which it is known again when its line was lost or
its page is opened anew. Whoever is banned stays known by theirs.
"""

from __future__ import annotations

import colorsys
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ....errors import EngineUnavailable, LightningError, RateLimited
from ...addresses import Allowance
from ...admission import Admission
from .seats import Seat

MAX_PHONES = 500  # connected, of one wall
MAX_MEMBERS = 2_000  # remembered; those who left first are forgotten first
MAX_BANNED = 10_000  # tokens
# A whole hall may be behind one address, and come in the same minute.
JOINS = 300
JOINS_PER_SECOND = 5.0
# Where somebody was banned, new ones have to wait a little, for a while; nobody is kept out.
WARY_SECONDS = 300.0
JOINS_WHEN_WARY = 3
JOINS_PER_SECOND_WHEN_WARY = 0.1

GOLDEN_ANGLE = 137.508 / 360
LUMINANCE = 0.4  # of all colours: dark letters can be read on them, and they on black


class Banned(LightningError):
    """The presenter does not want this phone any more."""

    status = 403


class Phone(Protocol):
    """A member's connection."""

    def look(self) -> None:
        """There may be news of the hall."""
        ...

    def end(self, reason: str, message: str) -> None:
        """It is over, and why."""
        ...


@dataclass(slots=True, eq=False)
class Member:
    """One phone.

    Attributes:
        token: the secret that it is known by.
        seat: from which it paints.
        phone: its connection; None: it is away since `left`.
    """

    number: int
    token: str
    address: str
    seat: Seat
    name: str = ""
    phone: Phone | None = None
    left: float = 0.0
    banned: bool = False

    @property
    def colour(self) -> str:
        """#rrggbb, far from those of the numbers around it."""
        return colour_of(self.number)

    def credit(self) -> dict[str, Any]:
        """How others know it."""
        return {"number": self.number, "colour": self.colour, "name": self.name}


class Members:
    """All who are or were there."""

    def __init__(self, seats: Admission) -> None:
        self._seats = seats
        self._by_token: OrderedDict[str, Member] = OrderedDict()
        self._banned: OrderedDict[str, None] = OrderedDict()
        self._numbers = 0
        self._joins = Allowance(JOINS, JOINS_PER_SECOND)
        self._wary_joins = Allowance(JOINS_WHEN_WARY, JOINS_PER_SECOND_WHEN_WARY)
        self._wary: OrderedDict[str, float] = OrderedDict()  # addresses, and until when

    def __iter__(self) -> Iterator[Member]:
        return iter(self._by_token.values())

    @property
    def connected(self) -> list[Member]:
        """Those who are there."""
        return [member for member in self if member.phone is not None]

    def join(self, token: str, address: str, now: float) -> Member:
        """The member of a token, or a new one with a token of our own making.

        Raises:
            LightningError: it is banned, or too many are or come here.
        """
        if token in self._banned:
            raise Banned("The presenter has closed this door for you.")
        member = self._by_token.get(token)
        here = member is not None and member.phone is not None
        if not here and len(self.connected) >= MAX_PHONES:
            raise EngineUnavailable(
                f"{MAX_PHONES} phones take part already, as many as fit; yours tries again."
            )
        if member is None:
            self._check_address(address, now)
            self._make_room()
            self._numbers += 1
            token = secrets.token_urlsafe(16)
            member = Member(self._numbers, token, address, Seat(self._seats))
            self._by_token[member.token] = member
        self._by_token.move_to_end(member.token)
        return member

    def forget(self, member: Member) -> None:
        """It is as if it had never been there."""
        member.seat.give_up()
        self._by_token.pop(member.token, None)

    def leave(self, member: Member, phone: Phone, now: float) -> None:
        """A connection has ended; another may have taken its place."""
        if member.phone is phone:
            member.phone, member.left = None, now

    def ban(self, member: Member, now: float) -> None:
        """It is not wanted any more, now and later."""
        member.banned = True
        self.forget(member)
        self._banned[member.token] = None
        if len(self._banned) > MAX_BANNED:
            self._banned.popitem(last=False)
        self._wary[member.address] = now + WARY_SECONDS
        self._wary.move_to_end(member.address)
        if len(self._wary) > MAX_BANNED:
            self._wary.popitem(last=False)
        if member.phone is not None:
            member.phone.end("banned", "The presenter has closed this door for you.")

    def _check_address(self, address: str, now: float) -> None:
        wary = self._wary.get(address, 0.0) > now
        wait = (self._wary_joins if wary else self._joins).take(address, now)
        if wait:
            raise RateLimited(
                "Many come at the same time; your phone tries again by itself.", seconds=wait
            )

    def _make_room(self) -> None:
        if len(self._by_token) >= MAX_MEMBERS:
            away = next((m for m in self if m.phone is None), None)
            if away is not None:
                self.forget(away)


def colour_of(number: int) -> str:
    """A number's colour: all hues in turn, all equally light."""
    hue = (0.12 + number * GOLDEN_ANGLE) % 1
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        if _luminance(colorsys.hls_to_rgb(hue, middle, 0.75)) < LUMINANCE:
            low = middle
        else:
            high = middle
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, low, 0.75))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance (WCAG 2) of an sRGB colour, 0 … 1."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
