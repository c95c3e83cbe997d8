"""Who takes the next step together: single cases, then any line at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lightning_demo.engine.base import Work
from lightning_demo.engine.core import EngineCore
from lightning_demo.engine.in_flight import PAUSED, InFlightRequest
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.engine.queue import LOADING, RequestQueue
from lightning_demo.schemas import ROW_BUCKETS, GenerationRequest, Limits

SIZE, WIDE = (1024, 1024), (1216, 832)
LIMITS = Limits((1, 2, 4, 8), 4, (SIZE, WIDE), 512, 1536)


@dataclass
class Row:
    """What a runner keeps: the steps taken."""

    step: int = 0
    chunks: int = 1


def latencies(first: float = 0.022, further: float = 0.011, cap: int | None = None) -> LatencyModel:
    made = LatencyModel()
    for rows in ROW_BUCKETS:
        made.calibrate("step", SIZE, rows, first + further * (rows - 1))
        made.calibrate("decoder", SIZE, rows, 0.035 * rows)
        made.calibrate("preview", SIZE, rows, 0.003 * rows)
    if cap is not None:
        made.lower("step", SIZE, cap + 1)
    return made


def waiting(
    name: str,
    since: float,
    steps: int = 4,
    rows: int = 1,
    client: Any = None,
    *,
    size: tuple[int, int] = SIZE,
    draft: bool = False,
    paused: bool = False,
    started: bool = False,
    taken: int = 0,
) -> InFlightRequest:
    request = GenerationRequest(name, "", steps, 5.0 * (rows - 1), 0, *size)
    work = Work(request, client, since, draft, paused=paused)
    return InFlightRequest(work, since, size, row=Row(taken), started=started)


def queue_of(*requests: InFlightRequest, **given: Any) -> RequestQueue:
    queue = RequestQueue(latencies(**given))
    for each in requests:
        queue.add(each)
    return queue


def named(requests: Any) -> list[str]:
    return [each.work.request.prompt for each in requests]


def step(queue: RequestQueue, seconds: float) -> list[str]:
    """One step, as the core takes it; who is done leaves."""
    batch = queue.next_batch()
    for each in batch:
        each.started = True
        each.row.step += 1
        if not each.steps_left:
            queue.remove(each)
    queue.charge(batch, seconds)
    return named(batch)


def test_nobody_there():
    queue = queue_of()
    assert (queue.next_batch(), queue.line, queue.waiting) == ([], (), 0)
    queue.remove(waiting("never here", 0))


def test_who_has_started_or_is_dropped_waits_no_more():
    begun, gone, left, here = (waiting(name, 0) for name in ("begun", "gone", "left", "here"))
    queue = queue_of(begun, gone, left, here)
    queue.start(begun)
    queue.drop(gone)
    queue.remove(left)
    assert (queue.waiting, begun.started, gone.dropped) == (1, True, True)
    assert named(queue.line) == ["begun", "gone", "here"]
    for each in (begun, gone, here):
        queue.remove(each)
    assert queue.waiting == 0


def test_who_has_waited_longest_is_first():
    assert named(
        queue_of(waiting("b", 2), waiting("a", 1), waiting("c", 3), cap=2).next_batch()
    ) == ["a", "b"]


def test_who_has_stopped_typing_goes_before_who_types_on_but_not_for_ever():
    typing, paused, late = waiting("typing", 1), waiting("paused", 2, paused=True), 1.1 + PAUSED
    last = waiting("paused too late", late, paused=True)
    queue = queue_of(typing, last, paused, cap=1)
    assert named(queue.next_batch()) == ["paused"]
    queue.remove(paused)
    assert named(queue.next_batch()) == ["typing"]
    assert queue.forecast(typing).ahead == 0 and queue.forecast(last).ahead == 1


def test_who_has_started_is_finished_first():
    assert named(
        queue_of(waiting("old", 1), waiting("begun", 9, started=True), cap=1).next_batch()
    ) == ["begun"]


def test_one_who_leaves_is_not_served():
    gone = waiting("gone", 1)
    queue = queue_of(gone, waiting("here", 2), cap=1)
    queue.remove(gone)
    assert named(queue.next_batch()) == ["here"]


def test_other_weights_and_other_sizes_do_not_share():
    wide = waiting("wide", 3, size=WIDE)
    queue = queue_of(waiting("a", 1), waiting("one step", 2, steps=1), wide, waiting("b", 4))
    assert named(queue.next_batch()) == ["a", "b"]


def test_guidance_takes_two_rows_and_leaves_room_to_others():
    queue = queue_of(
        waiting("a", 1), waiting("two", 2, rows=2), waiting("two more", 3, rows=2), cap=4
    )
    queue.add(waiting("small", 4))
    assert named(queue.next_batch()) == ["a", "two", "small"]
    assert named(queue_of(waiting("two", 1, rows=2), cap=1).next_batch()) == ["two"], (
        "always at least one"
    )


def test_requests_of_one_client_take_turns():
    flood = [waiting(f"flood {n}", 0, steps=1, client="one address") for n in range(100)]
    queue = queue_of(*flood, cap=1)
    for _ in range(40):
        step(queue, 0.1)
    for n in range(3):
        queue.add(waiting(f"other {n}", 4.0 + n / 100, steps=1, client=n))
    order = [step(queue, 0.1)[0] for _ in range(8)]
    assert [name for name in order if name.startswith("other")] == ["other 0", "other 1", "other 2"]
    assert order.index("other 2") <= 3, "though a hundred stand before it"


def test_the_second_of_a_client_stands_behind_the_first_of_others():
    queue = queue_of(
        waiting("1st", 0, client="a"), waiting("2nd", 1, client="a"), waiting("b", 2), cap=2
    )
    assert named(queue.next_batch()) == ["1st", "b"]


def test_weights_that_are_far_wait_a_little_for_their_turn():
    queue = queue_of()
    queue.loading = lambda steps: 0.2 if steps == 8 else 0.0
    queue.add(waiting("far", 0, steps=8))
    queue.add(waiting("here", 0.5))
    assert named(queue.next_batch()) == ["here"]
    queue.add(waiting("later", LOADING * 0.2 + 0.1))
    assert step(queue, 0.6)[0] == "here"
    assert named(queue.next_batch()) == ["far"], "it has had its share"


def test_steps_are_paid_for_in_full():
    a, b = waiting("a", 0), waiting("b", 0)
    queue = queue_of(a, b)
    queue.charge(queue.next_batch(), 0.033)
    assert [each.served for each in (a, b)] == [0.033] * 2


@given(every=st.floats(0.011, 0.2))
def test_eight_steps_are_not_starved_by_single_ones(every: float):
    """A newcomer of one step comes again and again, however fast."""
    queue = queue_of(waiting("eight", 0, steps=8), cap=1)
    now, came, taken = 0.0, 0.0, 0
    while "eight" in named(queue.line):
        while came <= now:
            queue.add(waiting("one", came, steps=1))
            came += every
        step(queue, 0.022)
        now += 0.022
        taken += 1
    assert taken <= 8 + 8 * 0.022 / every + 2, "only who came before it had had its share"


@given(arrivals=st.lists(st.tuples(st.floats(0, 3), st.sampled_from((1, 2, 4, 8))), min_size=1))
def test_everybody_is_served_within_the_work_of_all(arrivals):
    queue = queue_of(*(waiting(str(n), at, steps) for n, (at, steps) in enumerate(arrivals)))
    taken = 0
    while queue.line:
        assert step(queue, 0.03)
        taken += 1
    assert taken <= sum(steps for _, steps in arrivals)


entries = st.builds(
    waiting,
    name=st.just("x"),
    since=st.floats(0, 10),
    steps=st.sampled_from((1, 2, 4, 8)),
    rows=st.sampled_from((1, 1, 2)),
    client=st.sampled_from((None, None, "a", "b")),
    started=st.booleans(),
    size=st.sampled_from((SIZE, WIDE)),
)


@given(st.lists(entries, min_size=1, max_size=30), st.sampled_from(ROW_BUCKETS))
def test_a_batch_is_of_one_kind_within_the_cap_and_misses_nobody_before(found, cap):
    queue = queue_of(*found, cap=cap)
    batch = queue.next_batch()
    assert len({each.group for each in batch}) == 1
    rows = sum(each.rows for each in batch)
    assert len(batch) == 1 or rows <= queue.latency_model.cap("step", batch[0].size)
    out = [each for each in found if each.group == batch[0].group and each not in batch]
    for each in out:
        if each.started and each.work.client is None and rows + each.rows <= cap:
            raise AssertionError("there was room for somebody who had started")
    alone = [each for each in batch if each.work.client is None]
    for each in out:
        if each.work.client is None and each.rows == 1:
            assert all((not b.started, b.since) <= (not each.started, each.since) for b in alone)


# Forecasts -------------------------------------------------------------------------------------


def test_in_an_empty_line_nobody_waits():
    expected = queue_of().forecast(waiting("new", 0))
    assert (expected.ahead, expected.wait) == (0, 0)
    assert expected.work == pytest.approx(4 * 0.022 + 0.035)


def test_a_draft_is_sooner():
    queue = queue_of()
    assert queue.forecast(waiting("d", 0, draft=True)).work == pytest.approx(4 * 0.022 + 0.003)


def test_a_long_prompt_takes_as_long_as_long_ones_have_taken():
    begun, long = (waiting(name, 0, started=True) for name in ("begun", "long"))
    assert isinstance(long.row, Row)
    long.row.chunks = 3
    queue = queue_of(begun, long)
    for _ in range(50):
        queue.latency_model.observe("step", SIZE, 1, 0.044, chunks=3)
    assert queue.forecast(long).work == pytest.approx(4 * 0.044 + 0.035, rel=1e-3)
    assert queue.forecast(begun).work == pytest.approx(4 * 0.022 + 0.035)


def test_weights_that_are_far_take_their_time():
    queue = queue_of()
    queue.loading = lambda steps: 0.4 if steps == 2 else 0.0
    near, far = (queue.forecast(waiting("new", 0, steps=steps)) for steps in (4, 2))
    assert far.work == pytest.approx(near.work - 2 * 0.022 + 0.4), "two steps fewer"
    begun = waiting("begun", 0, steps=2, started=True, taken=1)
    assert queue.forecast(begun).work < 0.4, "they are there"


def test_who_has_started_waits_no_more():
    begun = waiting("begun", 5, started=True, taken=2)
    expected = queue_of(waiting("old", 0), begun).forecast(begun)
    assert (expected.ahead, expected.wait) == (0, 0)


def test_who_fits_into_the_call_does_not_wait_but_is_slower_for_it():
    queue = queue_of(*(waiting(str(n), n) for n in range(3)))
    expected = queue.forecast(waiting("fourth", 9))
    assert (expected.ahead, expected.wait) == (3, 0)
    assert expected.work == pytest.approx(4 * (0.022 + 3 * 0.011) + 0.035)


def test_those_before_one_are_counted_by_its_own_place():
    middle = waiting("middle", 5)
    queue = queue_of(*(waiting(str(n), n) for n in range(10)), middle)
    assert queue.forecast(middle).ahead == 5
    assert queue.forecast(waiting("new", 99)).ahead == 11


@given(st.lists(entries.filter(lambda each: each.work.client is None), max_size=20))
def test_a_longer_line_is_never_a_shorter_wait(found):
    queue, waits = queue_of(), []
    new = waiting("new", 99.0)
    for each in found:
        waits.append(queue.forecast(new))
        queue.add(each)
    waits.append(queue.forecast(new))
    for before, after in zip(waits, waits[1:], strict=False):
        assert after.wait >= before.wait - 1e-9
        assert after.ahead >= before.ahead
        assert after.work >= before.work - 1e-9


def test_work_that_comes_now_is_told_its_own_wait_though_equal_work_waits():
    core = EngineCore(LIMITS, latencies(cap=1))
    work = Work(GenerationRequest("the same", "", 4, 0.0, 0, *SIZE))
    core.admit(core.request(work, 0.0))
    assert core.forecast(work, 1.0).ahead == 1
    waits = replace(work, since=0.5)
    core.admit(core.request(waits, 1.0))
    assert core.forecast(waits, 2.0).ahead == 1, "the one in the queue"
    assert core.forecast(work, 2.0).ahead == 2


def test_a_thousand_pictures_of_one_client_delay_others_by_no_step():
    flood = [
        waiting(f"batch {n}", 1.0, client="batch", started=n < 8, taken=int(n < 8))
        for n in range(1000)
    ]
    typist = waiting("typist", 5.0, client="typist")
    queue = queue_of(*flood, typist)
    batch = queue.next_batch()
    assert typist in batch
    assert [each.started for each in batch] == [True] + [False] + [True] * (len(batch) - 2)
    forecast = queue.forecast(typist)
    assert (forecast.ahead, forecast.wait) == (0, 0.0)


def test_another_client_does_not_inherit_what_the_first_has_had():
    core = EngineCore(LIMITS, latencies())
    work = Work(GenerationRequest("shared", "", 4, 0.0, 0, *SIZE), client="a", since=5.0)
    request = core.request(work, 5.0)
    core.admit(request)
    request.served = 9.0
    sooner = replace(work, since=3.0)
    core.amend(work, sooner)
    assert (request.work, request.since, request.served) == (sooner, 3.0, 9.0)
    core.amend(sooner, replace(sooner, client=None))
    assert (request.work.client, request.served) == (None, 0.0)
    request.started = True
    core.amend(request.work, work)
    assert request.since == 3.0, "it waits no more"
