"""A member's seat, or place in line: it outlives the phone's connection for a while."""

from __future__ import annotations

from ... import messages
from ...admission import Admission, SeatHolder

IDLE_SECONDS = 20.0  # without a prompt while others wait
TURN_SECONDS = 90.0  # while others wait
GRACE_SECONDS = 45.0  # that it is kept for a phone that sleeps or has lost its line


class Seat:
    """Stands in the admission for whichever connection the member has."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._page: SeatHolder | None = None
        self.taken = False
        self._reserved = False

    def reserve(self) -> None:
        """The member plays in a battle: it paints at once, on none of the seats."""
        self.give_up()
        self._reserved = True

    def free(self) -> None:
        """It is as others again."""
        self._reserved = False

    def request_seat(self, page: SeatHolder) -> None:
        """The member asks for a picture."""
        if self._reserved:
            page.seated()
            return
        self._page, self.taken = page, True
        self._admission.request_seat(self)

    def leave(self, page: SeatHolder) -> None:
        """A connection needs it no more; the member may come back."""
        if self._page is page:
            self._page = None

    def give_up(self) -> None:
        """Nobody comes back to it."""
        self._page, self.taken = None, False
        self._admission.leave(self)

    def seated(self) -> None:
        """It may paint what it last asked for."""
        if self._page is not None:
            self._page.seated()

    def tell_line(self, message: messages.Message) -> None:
        """How long the line before it is."""
        if self._page is not None:
            self._page.tell_line(message)
