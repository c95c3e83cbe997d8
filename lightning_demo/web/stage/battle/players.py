"""Who plays on a side: a phone of the audience, or a keyboard that has come by the side's code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..audience.members import Member
from .sides import COLOURS, Side


class Line(Protocol):
    """A keyboard's connection."""

    def look(self) -> None:
        """There may be news of the battle."""
        ...

    def end(self, reason: str, message: str) -> None:
        """It is over, and why."""
        ...


class Player(Protocol):
    """One who plays."""

    @property
    def number(self) -> int:
        """Of its phone; 0: it has none."""
        ...

    @property
    def here(self) -> bool:
        """Whether it is connected."""
        ...

    def credit(self) -> dict[str, Any]:
        """How the hall knows it: number, colour and name."""
        ...

    def tell(self) -> None:
        """There may be news of the battle."""
        ...

    def leave(self) -> None:
        """It plays no more."""
        ...


class PhonePlayer:
    """A phone of the audience; while it plays it has a seat of its own."""

    def __init__(self, member: Member) -> None:
        self.member = member
        member.seat.reserve()

    @property
    def number(self) -> int:
        """See `Player.number`."""
        return self.member.number

    @property
    def here(self) -> bool:
        """See `Player.here`."""
        return self.member.phone is not None

    def credit(self) -> dict[str, Any]:
        """See `Player.credit`."""
        return self.member.credit()

    def tell(self) -> None:
        """See `Player.tell`."""
        if self.member.phone is not None:
            self.member.phone.look()

    def leave(self) -> None:
        """See `Player.leave`."""
        self.member.seat.free()
        self.tell()


class KeyboardPlayer:
    """Whichever browser has taken the side by its code last."""

    number = 0

    def __init__(self, side: Side, name: Callable[[], str]) -> None:
        """
        Args:
            name: what the presenter calls this side now.
        """
        self._side, self._name = side, name
        self.line: Line | None = None

    @property
    def here(self) -> bool:
        """See `Player.here`."""
        return self.line is not None

    def credit(self) -> dict[str, Any]:
        """See `Player.credit`."""
        name = self._name()
        letter = "" if name else self._side.upper()
        return {"number": letter, "colour": COLOURS[self._side], "name": name}

    def take(self, line: Line) -> None:
        """A browser plays here from now on; another one that did does no more."""
        before, self.line = self.line, line
        if before is not None:
            before.end("taken", "This side is played in another window now.")

    def lost(self, line: Line) -> None:
        """A connection has ended; another may have taken its place."""
        if self.line is line:
            self.line = None

    def tell(self) -> None:
        """See `Player.tell`."""
        if self.line is not None:
            self.line.look()

    def leave(self) -> None:
        """See `Player.leave`."""
        if self.line is not None:
            self.line.end("over", "The presenter has ended this battle, or changed the players.")
