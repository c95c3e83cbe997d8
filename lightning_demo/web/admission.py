"""Admission: who may paint while there are more pages than seats.

`Seats` has the rules alone; every method takes the time as an argument, in seconds. `Admission`
brings a clock and tells the pages. The rules:

* A page takes a seat, or gets in line for one, when it asks for a picture.
* While nobody waits, a seat is kept for as long as the page is open.
* While somebody waits, a seat is free again when its page has been idle for `IDLE_SECONDS`, or has
  had it for `TURN_SECONDS` of crowded time. It gets back in line when it next asks.
* Seats are given in the order in which the line was joined.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from . import messages

IDLE_SECONDS = 60.0
TURN_SECONDS = 300.0
REMEMBERED = 8  # seats given of late, from which the wait is estimated
ENOUGH = 3  # of them, below which an estimate would be a guess


HolderT = TypeVar("HolderT")  # anything that a dict may have as a key


@dataclass(slots=True)
class _Seat:
    since: float
    active: float  # when its page last asked


@dataclass(frozen=True)
class Waiting(Generic[HolderT]):
    """One page in line."""

    page: HolderT
    ahead: int  # pages that get a seat before it
    wait: float | None  # seconds until it gets one, estimated; None: not known


class Seats(Generic[HolderT]):
    """A number of seats and the line in front of them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seats: dict[HolderT, _Seat] = {}
        self._line: dict[HolderT, None] = {}  # in the order of joining
        self._crowded = 0.0  # since when somebody has been waiting
        self._given: deque[float] = deque(maxlen=REMEMBERED)

    def request(self, page: HolderT, now: float) -> bool:
        """The page asks for a picture; whether it has a seat. If not, it is in line."""
        seat = self._seats.get(page)
        if seat is not None:
            seat.active = now
            return True
        if page not in self._line:
            if not self._line:
                if len(self._seats) < self._count:
                    self._seats[page] = _Seat(now, now)
                    return True
                self._crowded = now
                self._given.clear()
            self._line[page] = None
        return False

    def leave(self, page: HolderT) -> None:
        """The page needs no seat any more."""
        self._seats.pop(page, None)
        self._line.pop(page, None)

    def advance(self, now: float) -> list[HolderT]:
        """Gives free seats to those who wait; returns who got one."""
        seated = []
        while self._line and self._make_room(now):
            page = next(iter(self._line))
            del self._line[page]
            self._seats[page] = _Seat(now, now)
            self._given.append(now)
            seated.append(page)
        return seated

    def line(self, now: float) -> list[Waiting[HolderT]]:
        """Who waits, the next one first."""
        if not self._line:
            return []
        interval = None
        if len(self._given) >= ENOUGH:
            interval = (now - self._given[0]) / (len(self._given) - 1)
        ends = sorted(self._end_of_turn(seat) for seat in self._seats.values())
        waiting = []
        for ahead, page in enumerate(self._line):
            wait = None
            if interval is not None and ends:
                rounds, place = divmod(ahead, len(ends))
                latest = ends[place] + rounds * TURN_SECONDS - now
                wait = max(0.0, min((ahead + 1) * interval, latest))
            waiting.append(Waiting(page, ahead, wait))
        return waiting

    @property
    def waiting(self) -> int:
        """Pages in line."""
        return len(self._line)

    def seated(self, page: HolderT) -> bool:
        """Whether the page has a seat."""
        return page in self._seats

    def __len__(self) -> int:
        return len(self._seats)

    def _make_room(self, now: float) -> bool:
        """Whether a seat is free, or could be taken from the page that has had its turn."""
        if len(self._seats) < self._count:
            return True
        page, seat = min(self._seats.items(), key=lambda item: self._free_at(item[1]))
        if self._free_at(seat) > now:
            return False
        del self._seats[page]
        return True

    def _free_at(self, seat: _Seat) -> float:
        return min(seat.active + IDLE_SECONDS, self._end_of_turn(seat))

    def _end_of_turn(self, seat: _Seat) -> float:
        return max(seat.since, self._crowded) + TURN_SECONDS


class SeatHolder(Protocol):
    """A page that has a seat, or waits for one."""

    def seated(self) -> None:
        """It has a seat."""
        ...

    def tell_line(self, message: messages.Message) -> None:
        """How long the line before it is."""
        ...


class Admission:
    """All pages that ask for pictures, and the seats they do it on."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seats: Seats[SeatHolder] = Seats(count)
        self._clock = clock

    @property
    def waiting(self) -> int:
        """Pages without a seat that want one."""
        return self._seats.waiting

    def request_seat(self, page: SeatHolder) -> None:
        """The page asks for a picture: it is seated now, or when its turn comes."""
        if self._seats.request(page, self._clock()):
            page.seated()
        else:
            self.advance()

    def leave(self, page: SeatHolder) -> None:
        """The page needs no seat any more."""
        self._seats.leave(page)
        self.advance()

    def advance(self) -> None:
        """Gives away what seats are free, and tells the others how it stands; called often."""
        now = self._clock()
        for page in self._seats.advance(now):
            page.seated()
        for waiting in self._seats.line(now):
            message = messages.line("seat", waiting.ahead, waiting.wait)
            waiting.page.tell_line(message)
