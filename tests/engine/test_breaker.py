"""The circuit breaker and the lateness of first frames, on a clock of the test's."""

from __future__ import annotations

from lightning_demo.engine.base import Forecast
from lightning_demo.engine.breaker import Breaker
from lightning_demo.engine.lateness import AT_ONCE, ENOUGH, SOONEST, Allowance, Lateness


def test_it_opens_after_failures_in_a_row_only():
    breaker = Breaker(failures=3, pause=2.0)
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.state(0.0) == "closed" and breaker.allows(0.0)
    for _ in range(3):
        breaker.failed(0.0)
    assert breaker.state(1.9) == "open" and not breaker.allows(1.9)


def test_failures_far_apart_are_not_in_a_row():
    breaker = Breaker(failures=2)
    for minute in range(5):
        breaker.failed(minute * 61.0)
    assert breaker.state(300.0) == "closed"


def test_one_that_hangs_opens_it_at_once():
    breaker = Breaker()
    breaker.failed(0.0, hung=True)
    assert not breaker.allows(1.0)


def test_one_trial_at_a_time_decides():
    breaker = Breaker(failures=1, pause=2.0)
    breaker.failed(0.0)
    assert breaker.state(2.0) == "half_open" and breaker.allows(2.0)
    breaker.begin(2.0)
    assert not breaker.allows(2.1), "one is on its way"
    breaker.left()
    assert breaker.allows(2.2), "nobody wanted it any more"
    breaker.begin(2.2)
    breaker.succeeded()
    assert breaker.state(2.3) == "closed"


def test_each_failed_trial_doubles_the_pause_up_to_the_longest():
    breaker, now, pauses = Breaker(failures=1, pause=2.0, max_pause=10.0), 0.0, []
    breaker.failed(now)
    for _ in range(4):
        before = now
        while breaker.state(now) == "open":
            now += 0.5
        pauses.append(now - before)
        breaker.begin(now)
        breaker.failed(now)
    assert pauses == [2.0, 4.0, 8.0, 10.0]
    breaker.begin(now + 10)
    breaker.succeeded()
    breaker.failed(100.0)
    assert breaker.state(102.0) == "half_open", "the first pause again"


def test_what_was_on_its_way_before_it_opened_changes_nothing():
    breaker = Breaker(failures=1, pause=2.0)
    breaker.failed(0.0)
    breaker.failed(1.0)
    assert breaker.state(2.0) == "half_open"


def test_late_is_what_takes_longer_than_nearly_all_do():
    lateness = Lateness()
    assert lateness.late_after(None) is None, "nobody can say"
    assert lateness.late_after(Forecast(0, 0.5, 1.0)) == 3.0
    assert lateness.late_after(Forecast(0, 0.0, 0.01)) == SOONEST
    for number in range(ENOUGH):
        lateness.add(1.0 + number / 100)
    assert lateness.late_after(None) == 1.0 + (ENOUGH - 1) / 100
    assert lateness.late_after(Forecast(9, 5.0, 1.0)) == 5.0, "its line is longer than theirs"


def test_second_starts_are_a_share_of_all_requests():
    allowance, second = Allowance(), 0
    for _ in range(200):
        allowance.earn()
        second += allowance.spend()
    assert second <= 22
    for _ in range(1000):
        allowance.earn()
    assert sum(allowance.spend() for _ in range(10)) == int(AT_ONCE)
