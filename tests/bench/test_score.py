"""The scoring of many typists, on records made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_demo.bench.score import (
    KeyPress,
    Picture,
    Round,
    Trace,
    Wait,
    client_load,
    first_paints,
    jain,
    score,
    useful_steps,
    waits,
)


def trace(keys: dict[float, bool], pictures: list[Picture], ended: float) -> Trace:
    """Keys by when they were due and whether the user then waits."""
    presses = [KeyPress(at, waits, at + 0.01) for at, waits in keys.items()]
    return Trace(presses, pictures, ended)


def preview(at: float, key: int, step: int = 1) -> Picture:
    return Picture(at, key, step, 4, final=False)


def final(at: float, key: int, *, painted: bool = True) -> Picture:
    return Picture(at, key, 4, 4, final=True, painted=painted)


def test_a_wait_ends_with_the_finished_picture():
    served = trace({0.0: False, 0.2: True}, [final(0.1, 0), preview(0.3, 1), final(0.5, 1)], 0.5)
    assert waits(served) == [Wait(pytest.approx(0.3))]


def test_a_superseded_wait_lasts_until_a_later_text_is_finished():
    typed_on = trace({0.0: True, 2.0: False, 2.2: True}, [preview(1, 0), final(3.0, 1)], 33.0)
    assert waits(typed_on) == [
        Wait(pytest.approx(3.0), superseded=True),
        Wait(pytest.approx(30.8), lost=True),
    ]


def test_a_picture_that_comes_in_the_pause_is_in_time():
    in_time = trace({0.0: True, 2.0: True}, [final(1.9, 0), final(2.5, 1)], 2.5)
    assert waits(in_time) == [Wait(pytest.approx(1.9)), Wait(pytest.approx(0.5))]


def test_nothing_after_a_key_loses_every_wait_from_there():
    died = trace({0.0: True, 2.0: True, 4.0: True}, [final(0.5, 0)], 34.0)
    assert [wait.lost for wait in waits(died)] == [False, True, True]
    assert [wait.seconds for wait in waits(died)] == [0.5, 32.0, 30.0]


def test_an_older_picture_answers_no_newer_key():
    stale = trace({0.0: False, 0.2: True}, [final(5.0, 0)], 30.2)
    assert waits(stale) == [Wait(pytest.approx(30.0), lost=True)]


def test_first_paint_takes_any_picture_of_the_text_or_a_later_one():
    seen = trace({0.0: False, 0.2: False, 0.4: True}, [preview(0.3, 1)], 30.4)
    assert first_paints(seen) == pytest.approx([0.3, 0.1, 30.0])


def test_steps_are_useful_up_to_the_last_one_shown():
    pictures = [
        preview(0.1, 0, step=1),
        preview(0.2, 0, step=3),
        Picture(0.3, 1, 2, 2, final=False),  # a draft and its refinement
        final(0.4, 1),
        final(0.5, 2, painted=False),  # remembered
    ]
    assert useful_steps(trace({0.0: True}, pictures, 1.0)) == 3 + 2 + 4


def test_the_score_of_a_round():
    quick = trace({0.0: True}, [preview(0.5, 0), final(1.0, 0)], 1.0)
    slow = trace({1.0: True}, [final(4.0, 0)], 4.0)
    found = score([Round((quick, slow), 10)])
    assert found["users"] == found["waits"] == 2
    assert found["last_key_to_final_ms"] == {"p50": 3000, "p95": 3000, "max": 3000}
    assert found["first_paint_ms"] == {"p50": 3000, "p95": 3000, "max": 3000}
    assert found["pictures_per_second"] == 0.75
    assert found["finals_per_second"] == 0.5
    assert (found["steps"], found["wasted_steps"]) == (10, 2)
    assert found["fairness"] == pytest.approx((1 + 1 / 3) ** 2 / (2 * (1 + 1 / 9)), abs=0.001)
    assert found["lost_finals"] == found["superseded_waits"] == 0
    load = client_load([Round((quick, slow), 10, 0.25), Round((quick,), 10, 0.5)])
    assert load == {"client_cpu_share": 0.5, "typing_lag_p95_ms": 10}


def test_rounds_are_one_life_of_each_user():
    one = trace({0.0: True}, [final(1.0, 0)], 1.0)
    three = trace({0.0: True}, [final(3.0, 0)], 3.0)
    found = score([Round((one, three), 4), Round((three, one), None)])
    assert found["fairness"] == 1
    assert found["steps"] is found["wasted_steps"] is None


def test_what_the_server_said_is_kept():
    refused = trace({0.0: True}, [], 30.0)
    refused.problems = ["full", "full"]
    assert score([Round((refused,), 0)])["problems"] == ["full"]


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=64), st.floats(0.01, 100))
def test_jain_is_a_share_of_users_whatever_the_unit(values: list[float], unit: float):
    index = jain(values)
    assert 1 / len(values) - 1e-9 <= index <= 1 + 1e-9
    assert jain([value * unit for value in values]) == pytest.approx(index)


@given(st.integers(1, 30), st.integers(0, 30))
def test_jain_of_some_served_alike_and_others_not_at_all(served: int, starved: int):
    assert jain([2.0] * served + [0.0] * starved) == pytest.approx(served / (served + starved))


def test_jain_of_nobody_served_is_even():
    assert jain([0.0, 0.0]) == 1


def test_a_picture_from_memory_does_not_make_the_others_look_starved():
    waiting = [trace({0.0: True}, [final(1.0, 0)], 1.0)] * 3
    lucky = trace({0.0: True}, [final(0.001, 0)], 1.0)
    found = score([Round((*waiting, lucky), 4)])
    assert found["fairness"] == pytest.approx((3 + 10) ** 2 / (4 * (3 + 100)), abs=0.001)
