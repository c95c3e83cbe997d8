"""What calls take: between what was calibrated, at sizes that were not, and of late."""

from __future__ import annotations

import sys
import threading
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lightning_demo.engine.latency_model import GUESS, LatencyModel
from lightning_demo.schemas import ROW_BUCKETS

SIZE, HALF = (1024, 1024), (512, 1024)


def costs(*points: tuple[int, float]) -> LatencyModel:
    made = LatencyModel()
    for rows, seconds in points:
        made.calibrate("step", SIZE, rows, seconds)
    return made


def line(first: float, further: float) -> LatencyModel:
    return costs(*((rows, first + further * (rows - 1)) for rows in ROW_BUCKETS))


def test_figures_measured_anew_replace_all_that_was_known_of_such_calls():
    made, other = LatencyModel(), (64, 64)
    made.calibrate("step", SIZE, 1, 0.1)
    made.observe("step", SIZE, 1, 0.2)
    made.observe("step", SIZE, 1, 0.4, chunks=2)
    made.calibrate("step", other, 8, 0.3)
    made.replace("step", SIZE, {2: 0.06})
    assert made.seconds("step", SIZE, 2) == made.seconds("step", SIZE, 2, chunks=2) == 0.06
    assert list(made) == [("step", SIZE, 2, 0.06), ("step", other, 8, 0.3)]


def test_between_and_beyond_what_was_calibrated():
    known = costs((1, 0.020), (2, 0.030), (4, 0.040))
    assert [known.seconds("step", SIZE, rows) for rows in (1, 2, 3, 4, 6)] == pytest.approx(
        [0.020, 0.030, 0.035, 0.040, 0.050]
    )


def test_of_one_number_of_rows_others_cost_in_proportion():
    assert costs((2, 0.030)).seconds("step", SIZE, 6) == pytest.approx(0.090)


def test_other_sizes_cost_by_their_area():
    known = costs((1, 0.020), (2, 0.030))
    assert known.seconds("step", HALF, 2) == pytest.approx(0.015)
    assert known.cap("step", HALF) == known.cap("step", SIZE)


def test_before_anything_is_known_it_is_guessed_and_not_shared():
    assert LatencyModel().seconds("decoder", SIZE, 3) == pytest.approx(3 * GUESS)
    assert LatencyModel().cap("decoder", SIZE) == 1


@pytest.mark.parametrize(
    ("first", "further", "cap"), [(24, 15, 2), (24, 24, 1), (22, 11, 4), (10, 3, 8), (5, 0, 8)]
)
def test_rows_share_a_call_as_far_as_it_is_worthwhile(first: float, further: float, cap: int):
    assert line(first / 1000, further / 1000).cap("step", SIZE) == cap


def test_memory_that_does_not_hold_them_ends_it():
    known = line(0.010, 0.001)
    known.lower("step", SIZE, 8)
    assert known.cap("step", SIZE) == 4
    known.lower("step", SIZE, 3)
    assert known.cap("step", SIZE) == 2
    known.lower("step", SIZE, 1)
    assert known.cap("step", SIZE) == 1
    assert known.cap("step", HALF) == 8, "which holds smaller ones"


def test_a_busy_moment_lengthens_waits_and_not_batches():
    known = line(0.022, 0.011)
    for _ in range(50):
        known.observe("step", SIZE, 2, 0.066)
    assert known.seconds("step", SIZE, 4) == pytest.approx(0.110, rel=1e-3)
    assert known.cap("step", SIZE) == 4
    assert [seconds for *_, rows, seconds in known if rows == 2] == [0.033]


def test_long_prompts_are_told_by_their_own_and_lengthen_no_others():
    known = line(0.020, 0.010)
    for _ in range(50):
        known.observe("step", SIZE, 2, 0.033)
        known.observe("step", SIZE, 2, 0.060, chunks=3)
    assert known.seconds("step", SIZE, 2) == pytest.approx(0.033, rel=1e-3)
    assert known.seconds("step", SIZE, 2, chunks=3) == pytest.approx(0.060, rel=1e-3)
    assert known.seconds("step", SIZE, 1, chunks=3) == pytest.approx(0.040, rel=1e-3)
    assert known.seconds("step", SIZE, 2, chunks=2) == known.seconds("step", SIZE, 2)
    known.forget()
    assert known.seconds("step", SIZE, 1, chunks=3) == GUESS


def test_forgetting_leaves_only_what_the_memory_holds():
    known = line(0.010, 0.001)
    known.lower("step", SIZE, 4)
    known.forget()
    assert list(known) == []
    assert known.seconds("step", SIZE, 1) == GUESS


@given(
    points=st.dictionaries(st.sampled_from(ROW_BUCKETS), st.floats(1e-4, 10), min_size=1),
    rows=st.integers(1, 64),
    observed=st.lists(st.floats(1e-4, 10), max_size=5),
)
def test_every_estimate_is_positive_and_every_cap_a_bucket(points, rows, observed):
    known = costs(*points.items())
    for seconds in observed:
        known.observe("step", SIZE, rows, seconds)
    assert known.seconds("step", SIZE, rows) > 0
    assert known.cap("step", SIZE) in ROW_BUCKETS
    known.lower("step", SIZE, rows)
    assert known.cap("step", SIZE) < max(rows, 2)


def test_one_thread_may_measure_and_forget_while_others_ask():
    known, done = LatencyModel(), threading.Event()

    def measure() -> None:
        while not done.is_set():
            known.calibrate("step", SIZE, 1, 0.02)
            known.calibrate("step", SIZE, 2, 0.03)
            known.forget()

    thread = threading.Thread(target=measure)
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert known.seconds("step", HALF, 1) in (GUESS, 0.01)
            assert known.cap("step", HALF) in ROW_BUCKETS
            assert len(list(known)) <= 2
    finally:
        sys.setswitchinterval(often)
        done.set()
        thread.join()
