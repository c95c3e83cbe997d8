"""A browser that has taken a side by its code: what is typed there, and what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ....errors import InvalidRequest, LightningError
from ....schemas import Frame
from ...admission import SeatHolder
from ...live_connection import LiveConnection
from ...messages import ClientMessage
from ..audience.pace import PACE_SECONDS, Pace
from ..audience.phone_messages import PhoneMessage
from . import views
from .easel import Easel
from .players import KeyboardPlayer
from .ring import Ring
from .sides import Side


class Always:
    """There is a seat for each of two players."""

    def request_seat(self, page: SeatHolder) -> None:
        """See `Seats.request_seat`."""
        page.seated()

    def leave(self, page: SeatHolder) -> None:
        """See `Seats.leave`."""


class Keyboard:
    """Sees what its connection gets (`live_connection.Observer`). Belongs to one event loop."""

    def __init__(
        self, ring: Ring, side: Side, player: KeyboardPlayer, connection: LiveConnection
    ) -> None:
        self.over = asyncio.Event()
        self.reason, self.message = "", ""  # why it is over
        self._ring, self._side, self._player = ring, side, player
        self._connection = connection
        self._easel = Easel(ring, connection)
        self._pace: Pace[PhoneMessage] = Pace(self._submit)
        self._told: dict[str, Any] = {}
        connection.observer = self
        connection.outbox.put({"type": "welcome", "side": side})
        player.take(self)
        ring.came_or_went()

    def receive(self, message: PhoneMessage) -> None:
        """Does what the player wants, or says why not; anything else than playing is no right."""
        if message.kind == "seen":
            self._connection.receive(ClientMessage(seen=message.number))
        elif message.kind == "prompt":
            self._pace.put(message)

    def look(self) -> None:
        """Tells what is new in the battle."""
        if self._ring.battle is None:
            return
        self._easel.show_target(self._side)
        seen = views.player(self._ring, self._side)
        if seen != self._told:
            self._told = seen
            self._connection.outbox.put({"type": "battle", **seen})

    def end(self, reason: str, message: str) -> None:
        """It is over, and why."""
        self.reason, self.message = reason, message
        self.over.set()

    def present(self, sequence: int, fields: Mapping[str, Any]) -> None:
        """Keyboards do not present."""
        raise InvalidRequest("present: players do not present.")

    def asked(self, sequence: int, prompt: str) -> None:
        """Known already."""

    def painted(self, frame: Frame, budget: float | None) -> None:
        """A picture is on its way to the player."""
        if self._player.line is self:
            self._easel.painted(self._side, frame)

    def close(self) -> None:
        """The connection has ended; the player may come back."""
        self._pace.close()
        self._player.lost(self)
        self._ring.came_or_went()

    def _submit(self, message: PhoneMessage) -> float:
        if not self.over.is_set():
            problem = ""
            try:
                self._easel.type(self._side, message.number, message.text)
            except LightningError as error:
                problem = error.message
            answer = {"type": "prompt", "problem": problem, "sequence": message.number}
            self._connection.outbox.put(answer)
        return PACE_SECONDS
