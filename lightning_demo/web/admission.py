"""Admission: who may paint while there are more pages than seats.

* A page takes a seat, or gets in line for one, when it asks for a picture.
* While nobody waits, a seat is kept for as long as the page is open.
* While somebody waits, a seat is free again when its page has been idle for `IDLE_SECONDS`, or has
  had it for `TURN_SECONDS` of crowded time. It gets back in line when it next asks.
* Seats are given in the order in which the line was joined.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from . import messages

IDLE_SECONDS = 60.0
TURN_SECONDS = 300.0
REMEMBERED = 8  # seats given of late, from which the wait is estimated
ENOUGH = 3  # of them; an estimate from fewer would be a guess


class SeatHolder(Protocol):
    """A page that has a seat, or waits for one."""

    def seated(self) -> None:
        """It may paint what it last asked for."""
        ...

    def tell_line(self, message: messages.Message) -> None:
        """How long the line before it is."""
        ...


class Seats(Protocol):
    """Where a page gets its seat."""

    def request_seat(self, page: SeatHolder) -> None:
        """It asks for a picture."""
        ...

    def leave(self, page: SeatHolder) -> None:
        """It needs no seat any more."""
        ...


@dataclass(slots=True)
class _Seat:
    since: float
    active: float  # when its page last asked


class Admission:
    """A number of seats and the line in front of them."""

    def __init__(
        self,
        count: int,
        clock: Callable[[], float] = time.monotonic,
        idle_seconds: float | None = None,
        turn_seconds: float | None = None,
    ) -> None:
        self._count = count
        self._idle_seconds = IDLE_SECONDS if idle_seconds is None else idle_seconds
        self._turn_seconds = TURN_SECONDS if turn_seconds is None else turn_seconds
        self._clock = clock
        self._seats: dict[SeatHolder, _Seat] = {}
        self._line: dict[SeatHolder, None] = {}  # in the order of joining
        self._crowded = 0.0  # since when somebody has been waiting
        self._given: deque[float] = deque(maxlen=REMEMBERED)  # when, since then

    def __len__(self) -> int:
        """Seats that are taken."""
        return len(self._seats)

    @property
    def waiting(self) -> int:
        """Pages in line."""
        return len(self._line)

    def request_seat(self, page: SeatHolder) -> None:
        """The page asks for a picture: it is seated now, or when its turn comes."""
        now = self._clock()
        if page in self._seats:
            self._seats[page].active = now
            page.seated()
            return
        if not self._line:
            self._crowded = now
            self._given.clear()
        self._line[page] = None
        self.advance()

    def leave(self, page: SeatHolder) -> None:
        """The page needs no seat any more."""
        self._seats.pop(page, None)
        self._line.pop(page, None)
        self.advance()

    def advance(self) -> None:
        """Gives free seats away, and tells those in line how long it is; called often."""
        now = self._clock()
        while self._line and self._make_room(now):
            page = next(iter(self._line))
            del self._line[page]
            self._seats[page] = _Seat(now, now)
            self._given.append(now)
            page.seated()
        for ahead, (page, wait) in enumerate(zip(self._line, self._waits(now), strict=True)):
            page.tell_line(messages.line("seat", ahead, wait))

    def _make_room(self, now: float) -> bool:
        """Whether a seat is free now, if need be by taking it from a page that has had its turn."""
        if len(self._seats) < self._count:
            return True
        page, seat = min(self._seats.items(), key=lambda item: self._free_at(item[1]))
        if self._free_at(seat) > now:
            return False
        del self._seats[page]
        return True

    def _waits(self, now: float) -> Iterator[float | None]:
        """For each page in line the seconds until it is seated, estimated; None: not known."""
        if len(self._given) < ENOUGH:
            yield from [None] * len(self._line)
            return
        interval = (now - self._given[0]) / (len(self._given) - 1)
        ends = sorted(self._end_of_turn(seat) for seat in self._seats.values())
        for ahead in range(len(self._line)):
            rounds, place = divmod(ahead, len(ends))
            latest = ends[place] + rounds * self._turn_seconds - now
            yield max(0.0, min((ahead + 1) * interval, latest))

    def _free_at(self, seat: _Seat) -> float:
        return min(seat.active + self._idle_seconds, self._end_of_turn(seat))

    def _end_of_turn(self, seat: _Seat) -> float:
        return max(seat.since, self._crowded) + self._turn_seconds
