"""Drives the rules of `seats` with a clock, and lets the pages know."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from . import messages
from .seats import Seats


class Guest(Protocol):
    """What waits for a seat."""

    def let_in(self) -> None:
        """It has a seat now."""
        ...

    def tell_line(self, message: messages.Message) -> None:
        """How long the line before it is."""
        ...


class Lobby:
    """All pages that ask for pictures, and the seats they do it on."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seats: Seats[Guest] = Seats(count)
        self._clock = clock

    @property
    def waiting(self) -> int:
        """Guests without a seat who want one."""
        return self._seats.waiting

    def ask(self, guest: Guest) -> bool:
        """A guest asks for a picture; whether it has a seat. If not, `let_in` will be called."""
        if self._seats.ask(guest, self._clock()):
            return True
        self.advance()
        return self._seats.seated(guest)

    def leave(self, guest: Guest) -> None:
        """A guest needs no seat any more."""
        self._seats.leave(guest)
        self.advance()

    def advance(self) -> None:
        """Seats whoever can be seated, and tells the others how it stands; often called."""
        now = self._clock()
        for guest in self._seats.advance(now):
            guest.let_in()
        for waiting in self._seats.line(now):
            message = messages.line("seat", waiting.ahead, waiting.wait)
            waiting.page.tell_line(message)
