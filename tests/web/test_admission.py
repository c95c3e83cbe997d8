"""The rules of seats, on a clock of the test's own."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from lightning_demo.web.admission import ENOUGH, IDLE_SECONDS, TURN_SECONDS, Admission, Seats
from lightning_demo.web.messages import Message

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "leave", "pass"]),
        st.integers(0, 6),
        st.sampled_from([0.0, 0.5, IDLE_SECONDS / 2, IDLE_SECONDS, TURN_SECONDS]),
    ),
    max_size=60,
)


def waiting(seats: Seats[int], now: float) -> list[int]:
    return [each.page for each in seats.line(now)]


@given(st.integers(1, 3), MOVES)
def test_never_more_than_there_are_in_order_and_none_is_lost(
    count: int, moves: list[tuple[str, int, float]]
) -> None:
    seats: Seats[int] = Seats(count)
    now = 0.0
    open_pages: set[int] = set()
    for what, page, seconds in moves:
        now += seconds
        line = waiting(seats, now)
        if what == "ask":
            open_pages.add(page)
            assert seats.request(page, now) or page in waiting(seats, now)
            line = waiting(seats, now)
        elif what == "leave":
            open_pages.discard(page)
            seats.leave(page)
            line = waiting(seats, now)
        seated = seats.advance(now)
        assert seated == line[: len(seated)], "first come, first served"
        assert waiting(seats, now) == line[len(seated) :], "the others keep their places"
        assert len(seats) <= count
        held = {each for each in open_pages if seats.seated(each)}
        assert len(held) == len(seats), "no seat belongs to a page that has gone"
        assert not waiting(seats, now) or len(seats) == count, "no seat is free while some wait"
        told = seats.line(now)
        assert [each.ahead for each in told] == list(range(len(told)))
        assert all(each.wait is None or each.wait >= 0 for each in told)
    for page in open_pages:
        seats.leave(page)
    assert len(seats) == 0 and waiting(seats, now) == []


@given(st.integers(1, 3), st.integers(1, 6))
def test_nobody_starves_though_all_type_without_pause(count: int, pages: int) -> None:
    seats: Seats[int] = Seats(count)
    now, last = 0.0, dict.fromkeys(range(pages), 0.0)
    longest = TURN_SECONDS * (pages // count + 1)
    for _ in range(int(3 * longest)):
        for page in range(pages):
            if seats.request(page, now):
                last[page] = now
        seats.advance(now)
        now += 1.0
        assert all(now - since <= longest + 2 for since in last.values())


def test_a_seat_is_kept_while_nobody_waits_and_lost_when_idle_and_wanted() -> None:
    seats: Seats[str] = Seats(1)
    assert seats.request("a", 0.0)
    seats.advance(1e6)
    assert seats.request("a", 1e6), "idle for days, and nobody wanted it"
    assert not seats.request("b", 1e6 + IDLE_SECONDS - 1)
    assert seats.advance(1e6 + IDLE_SECONDS - 1) == []
    assert seats.advance(1e6 + IDLE_SECONDS) == ["b"]
    assert not seats.request("a", 1e6 + IDLE_SECONDS + 1), "back in line at its next keystroke"


def test_a_turn_is_counted_from_when_others_wait() -> None:
    seats: Seats[str] = Seats(1)
    for now in range(0, 1000, 10):
        assert seats.request("a", float(now))
    assert not seats.request("b", 1000.0)
    for now in range(1000, 1000 + int(TURN_SECONDS), 10):
        assert seats.advance(float(now)) == []
        assert seats.request("a", float(now)), "still typing, and its turn is not over"
    assert seats.advance(1000.0 + TURN_SECONDS) == ["b"]


def test_a_wait_is_estimated_only_from_what_was_seen() -> None:
    seats: Seats[int] = Seats(1)
    for page in range(ENOUGH + 3):
        seats.request(page, 0.0)
    for page in range(ENOUGH):
        assert [each.wait for each in seats.line(10.0 * page)] == [None] * (ENOUGH + 2 - page)
        seats.leave(page)
        assert seats.advance(10.0 * page) == [page + 1]
    now = 10.0 * (ENOUGH - 1)
    assert [each.wait for each in seats.line(now)] == [10.0, 20.0]
    assert seats.line(now + 2 * TURN_SECONDS)[0].wait == 0.0, "no longer than a turn"


class FakePage:
    def __init__(self) -> None:
        self.times_seated = 0
        self.told: list[Message] = []

    def seated(self) -> None:
        self.times_seated += 1

    def tell_line(self, message: Message) -> None:
        self.told.append(message)


def test_those_who_wait_are_told_and_the_next_one_is_seated() -> None:
    time = [0.0]
    admission = Admission(1, clock=lambda: time[0])
    first, second, third = FakePage(), FakePage(), FakePage()
    for page in (first, second, third):
        admission.request_seat(page)
    assert (first.times_seated, second.times_seated, third.times_seated) == (1, 0, 0)
    assert third.told[-1] == {"type": "line", "what": "seat", "ahead": 1, "seconds": None}
    admission.leave(first)
    assert (first.times_seated, second.times_seated, third.times_seated) == (1, 1, 0)
    assert third.told[-1]["ahead"] == 0
    time[0] += IDLE_SECONDS
    admission.advance()
    assert third.times_seated == 1
