"""The audiences of one server: of each wall its own, all on the same few seats."""

from __future__ import annotations

import time
from collections.abc import Callable

from ....settings import Settings
from ...admission import Admission
from ..wall import Wall
from .audience import Audience
from .invitation import addresses
from .members import Members
from .seats import IDLE_SECONDS, TURN_SECONDS
from .words import WordList

LOOK_SECONDS = 10.0  # after which the addresses are looked up again: laptops change networks


class Audiences:
    """Belongs to one event loop, but for its constructor.

    Attributes:
        port: on which the demo is served, once it is known.
        share_url: its public address, where it has one.
    """

    def __init__(
        self, settings: Settings, words: WordList, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.words = words
        self.seats = Admission(settings.audience_seats, clock, IDLE_SECONDS, TURN_SECONDS)
        self.port, self.share_url = settings.port, ""
        self._settings, self._clock = settings, clock
        self._by_wall: dict[Wall, Audience] = {}
        self._addresses: tuple[str, ...] = ()
        self._looked = -LOOK_SECONDS
        self._seats = (0, 0)  # taken, and in line, as last told

    def of(self, wall: Wall) -> Audience:
        """The audience of a wall."""
        if wall not in self._by_wall:
            self._by_wall[wall] = Audience(wall, Members(self.seats), self.words)
        return self._by_wall[wall]

    def addresses(self) -> tuple[str, ...]:
        """Where phones may find the demo, the likeliest first."""
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._addresses = addresses(self._settings, self.port, self.share_url)
        return self._addresses

    def advance(self) -> None:
        """Tells what is new; called often."""
        self.seats.advance()
        now = self._clock()
        before, self._seats = self._seats, (len(self.seats), self.seats.waiting)
        for audience in self._by_wall.values():
            audience.changed = audience.changed or self._seats != before
        for wall, audience in list(self._by_wall.items()):
            if wall.closed:
                del self._by_wall[wall]
                for member in audience.members:
                    member.seat.give_up()
                    if member.phone is not None:
                        member.phone.end("over", "This talk is over.")
            elif audience.advance(now):
                if wall.presenter is not None:
                    wall.presenter.wake()
                for member in audience.members.connected:
                    if member.phone is not None:
                        member.phone.look()
