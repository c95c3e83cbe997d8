"""The rules of seats, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from lightning_demo.web.admission import ENOUGH, IDLE_SECONDS, TURN_SECONDS, Admission
from lightning_demo.web.messages import Message

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "leave", "pass"]),
        st.integers(0, 6),
        st.sampled_from([0.0, 0.5, IDLE_SECONDS / 2, IDLE_SECONDS, TURN_SECONDS]),
    ),
    max_size=60,
)


class Hall:
    """Pages before a number of seats, and what happens to them."""

    def __init__(self, seats: int, pages: int) -> None:
        self.now = 0.0
        self.admission = Admission(seats, clock=lambda: self.now)
        self.pages = [FakePage(self) for _ in range(pages)]
        self.seated: list[FakePage] = []  # in order, since the last look

    def ask(self, page: FakePage) -> bool:
        """Whether it may paint at once."""
        self.seated.clear()
        self.admission.request_seat(page)
        return page in self.seated

    def advance(self, to: float) -> list[FakePage]:
        """The time passes; who gets a seat then."""
        self.now = to
        self.seated.clear()
        self.admission.advance()
        return self.seated


class FakePage:
    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self.told: Message = {}

    def seated(self) -> None:
        self._hall.seated.append(self)

    def tell_line(self, message: Message) -> None:
        self.told = message


@given(st.integers(1, 3), MOVES)
def test_never_more_than_there_are_in_order_and_none_is_lost(
    count: int, moves: list[tuple[str, int, float]]
) -> None:
    hall = Hall(count, 7)
    line: list[FakePage] = []
    held: set[FakePage] = set()  # a seat, at some time since they were opened
    for what, number, seconds in moves:
        hall.now += seconds
        hall.seated.clear()
        page = hall.pages[number]
        if what == "pass":
            hall.admission.advance()
        elif what == "leave":
            hall.admission.leave(page)
            held.discard(page)
            line = [each for each in line if each is not page]
        else:
            hall.admission.request_seat(page)
            if hall.seated == [page] and page in held and page not in line:
                hall.seated.clear()  # it had its seat, or found a free one
            elif page not in line:
                line.append(page)
        got = list(hall.seated)
        assert got == line[: len(got)], "first come, first served"
        line = line[len(got) :]
        held |= set(got)
        assert hall.admission.waiting == len(line), "nobody is lost"
        assert [each.told["ahead"] for each in line] == list(range(len(line)))
        assert len(hall.admission) <= min(count, len(held)), "none belongs to a page that has gone"
        assert not line or len(hall.admission) == count, "no seat is free while some wait"
    for page in hall.pages:
        hall.admission.leave(page)
    assert len(hall.admission) == hall.admission.waiting == 0


@given(st.integers(1, 3), st.integers(1, 6))
def test_nobody_starves_though_all_type_without_pause(count: int, pages: int) -> None:
    hall = Hall(count, pages)
    last = dict.fromkeys(hall.pages, 0.0)
    longest = TURN_SECONDS * (pages // count + 1)
    for _ in range(int(3 * longest)):
        for page in hall.pages:
            if hall.ask(page):
                last[page] = hall.now
        hall.advance(hall.now + 1.0)
        assert all(hall.now - since <= longest + 3 for since in last.values())


def test_a_seat_is_kept_while_nobody_waits_and_lost_when_idle_and_wanted() -> None:
    hall = Hall(1, 2)
    a, b = hall.pages
    assert hall.ask(a)
    hall.advance(1e6)
    assert hall.ask(a), "idle for days, and nobody wanted it"
    hall.now += IDLE_SECONDS - 1
    assert not hall.ask(b)
    assert hall.advance(hall.now) == []
    assert hall.advance(hall.now + 1) == [b]
    hall.now += 1
    assert not hall.ask(a), "back in line at its next keystroke"


def test_a_turn_is_counted_from_when_others_wait() -> None:
    hall = Hall(1, 2)
    a, b = hall.pages
    for _ in range(100):
        hall.now += 10
        assert hall.ask(a)
    assert not hall.ask(b)
    crowded = hall.now
    for _ in range(0, int(TURN_SECONDS), 10):
        assert hall.advance(hall.now) == []
        assert hall.ask(a), "still typing, and its turn is not over"
        hall.now += 10
    assert hall.advance(crowded + TURN_SECONDS) == [b]


def test_those_who_wait_are_told_and_the_next_one_is_seated() -> None:
    hall = Hall(1, 3)
    first, second, third = hall.pages
    assert [hall.ask(page) for page in hall.pages] == [True, False, False]
    assert third.told == {"type": "line", "what": "seat", "ahead": 1, "seconds": None}
    hall.seated.clear()
    hall.admission.leave(first)
    assert hall.seated == [second]
    assert third.told["ahead"] == 0
    assert hall.advance(IDLE_SECONDS) == [third]


def test_a_wait_is_estimated_only_from_what_was_seen() -> None:
    hall = Hall(1, ENOUGH + 3)

    def told() -> list[Any]:
        return [page.told["seconds"] for page in hall.pages[-2:]]

    for page in hall.pages:
        hall.ask(page)
    for number in range(ENOUGH):
        hall.now = 10.0 * number
        assert told() == [None, None]
        hall.admission.leave(hall.pages[number])
    assert told() == [10, 20]
    # Still painting, so that only its turn is over then.
    hall.now += TURN_SECONDS - 5.0
    hall.ask(hall.pages[ENOUGH])
    hall.admission.advance()
    assert told()[0] == 5, "no longer than a turn"
