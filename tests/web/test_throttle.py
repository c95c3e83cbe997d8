"""How a flood is heard: the newest word of each window, and never more than a share of the time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lightning_demo.web import throttle as module
from lightning_demo.web.throttle import BYTES, MESSAGES, WINDOW_SECONDS, InboundThrottle


class Clock:
    """An event loop's clock and its one timer; what acting takes passes on it too."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer: tuple[float, Callable[[], None]] | None = None

    def time(self) -> float:
        return self.now

    def perf_counter(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Clock:
        assert self.timer is None
        self.timer = (when, call)
        return self

    def cancel(self) -> None:
        self.timer = None

    def go(self, seconds: float) -> None:
        end = self.now + seconds
        while self.timer is not None and self.timer[0] <= end:
            (self.now, call), self.timer = self.timer, None
            call()
        self.now = max(self.now, end)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def word(number: int, length: int = 10) -> str:
    return json.dumps({"sequence": number, "request": {"prompt": "x" * length}})


def test_slow_typing_is_heard_at_once(clock: Clock) -> None:
    heard: list[Any] = []
    throttle = InboundThrottle(heard.append, clock)  # type: ignore[arg-type]
    for number in range(5):
        assert throttle.receive(word(number)) == 0.0
        assert heard[-1] == word(number)
        clock.go(WINDOW_SECONDS)


def test_of_a_flood_the_newest_of_each_window_is_heard_and_the_last_one_always(
    clock: Clock,
) -> None:
    heard: list[Any] = []
    throttle = InboundThrottle(heard.append, clock)  # type: ignore[arg-type]
    for number in range(1000):  # a second of them
        throttle.receive(word(number))
        clock.go(0.001)
    clock.go(WINDOW_SECONDS)
    assert heard[0] == word(0) and heard[-1] == word(999)
    assert len(heard) <= 1.0 / WINDOW_SECONDS + 2


def test_an_acknowledgement_takes_no_words_place(clock: Clock) -> None:
    heard: list[Any] = []
    throttle = InboundThrottle(heard.append, clock)  # type: ignore[arg-type]
    watch = '{"watch": true}'
    for text in (word(0), word(1), '{"seen": 1}', watch, word(2), '{"seen": 2}', '{"seen":3}'):
        throttle.receive(text)
    clock.go(1.0)
    assert heard == [word(0), word(2), '{"seen":3}', watch]


def test_who_takes_long_to_hear_is_heard_more_seldom(clock: Clock) -> None:
    heard: list[Any] = []

    def act(text: str | bytes) -> None:
        heard.append(text)
        clock.now += 0.05

    throttle = InboundThrottle(act, clock)  # type: ignore[arg-type]
    begun = clock.now
    for number in range(100):
        clock.go(throttle.receive(word(number, BYTES)))  # which is when the next one is read
    assert 0.05 * len(heard) <= 0.11 * (clock.now - begun)


def test_reading_is_held_back_after_so_many_messages_or_bytes(clock: Clock) -> None:
    throttle = InboundThrottle(lambda text: None, clock)  # type: ignore[arg-type]
    throttle.receive("first")
    waits = [throttle.receive("{}") for _ in range(MESSAGES)]
    assert waits[: MESSAGES - 1] == [0.0] * (MESSAGES - 1) and waits[-1] > 0
    clock.go(1.0)
    throttle.receive("first")
    assert throttle.receive("x" * BYTES) > 0


def test_nothing_is_heard_after_the_end(clock: Clock) -> None:
    heard: list[Any] = []
    throttle = InboundThrottle(heard.append, clock)  # type: ignore[arg-type]
    throttle.receive("one")
    throttle.receive("two")
    throttle.close()
    clock.go(1.0)
    assert heard == ["one"]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.002, 0.02])), max_size=40),
)
def test_whatever_comes_the_last_word_and_the_last_acknowledgement_are_heard(
    messages: list[tuple[int, float]],
) -> None:
    clock, heard = Clock(), []
    throttle = InboundThrottle(heard.append, clock)  # type: ignore[arg-type]
    sent = []
    for number, (kind, pause) in enumerate(messages):
        sent.append(word(number) if kind else json.dumps({"seen": number}))
        throttle.receive(sent[-1])
        clock.go(pause)
    clock.go(1000.0)
    for kind in ("sequence", "seen"):
        last = next((text for text in reversed(sent) if kind in text), None)
        assert last is None or [text for text in heard if kind in text][-1] == last
    order = [sent.index(text) for text in heard if "sequence" in text]
    assert order == sorted(order)
