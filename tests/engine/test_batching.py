"""Who takes the next step together: single cases, then any line at all."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lightning_demo.engine.batching import BRINGING, Batcher, Entry
from lightning_demo.engine.costs import BUCKETS, Costs

SIZE, WIDE = (1024, 1024), (1216, 832)


def costs(first: float = 0.022, further: float = 0.011, cap: int | None = None) -> Costs:
    made = Costs()
    for rows in BUCKETS:
        made.calibrate("step", SIZE, rows, first + further * (rows - 1))
        made.calibrate("decoder", SIZE, rows, 0.035 * rows)
        made.calibrate("preview", SIZE, rows, 0.003 * rows)
    if cap is not None:
        made.lower("step", SIZE, cap + 1)
    return made


def entry(name: str, since: float, steps: int = 4, **fields: object) -> Entry[str]:
    return Entry(name, steps, SIZE, steps, since, **fields)  # type: ignore[arg-type]


def line(*entries: Entry[str], **given: float) -> Batcher[str]:
    batcher: Batcher[str] = Batcher(costs(**given))  # type: ignore[arg-type]
    for each in entries:
        batcher.add(each)
    return batcher


def names(batcher: Batcher[str]) -> list[str]:
    return [each.item for each in batcher.next()]


def step(batcher: Batcher[str], seconds: float) -> list[str]:
    """One step, as the engine takes it; who is done leaves."""
    batch = batcher.next()
    for each in batch:
        each.started = True
    batcher.took(batch, seconds)
    batcher.keep(lambda each: each.steps > 0)
    return [each.item for each in batch]


def test_nobody_there():
    batcher = line()
    assert (batcher.next(), len(batcher), batcher.waiting) == ([], 0, 0)
    batcher.remove(entry("never here", 0))


def test_who_has_waited_longest_is_first():
    assert names(line(entry("b", 2), entry("a", 1), entry("c", 3), cap=2)) == ["a", "b"]


def test_who_has_started_is_finished_first():
    assert names(line(entry("old", 1), entry("begun", 9, started=True), cap=1)) == ["begun"]


def test_one_who_leaves_is_not_served():
    gone = entry("gone", 1)
    batcher = line(gone, entry("here", 2), cap=1)
    batcher.remove(gone)
    assert names(batcher) == ["here"]
    assert [each.item for each in batcher.keep(lambda each: False)] == ["here"]
    assert len(batcher) == 0


def test_other_weights_and_other_sizes_do_not_share():
    wide = replace(entry("wide", 3), size=WIDE)
    batcher = line(entry("a", 1), entry("one step", 2, steps=1), wide, entry("b", 4))
    assert names(batcher) == ["a", "b"]


def test_guidance_takes_two_rows_and_leaves_room_to_others():
    batcher = line(entry("a", 1), entry("two", 2, rows=2), entry("two more", 3, rows=2), cap=4)
    batcher.add(entry("small", 4))
    assert names(batcher) == ["a", "two", "small"]
    assert names(line(entry("two", 1, rows=2), cap=1)) == ["two"], "always at least one"


def test_requests_of_one_client_take_turns():
    flood = [entry(f"flood {n}", 0, steps=1, client="one address") for n in range(100)]
    batcher = line(*flood, cap=1)
    for _ in range(40):
        step(batcher, 0.1)
    for n in range(3):
        batcher.add(entry(f"other {n}", 4.0 + n / 100, steps=1, client=n))
    order = [step(batcher, 0.1)[0] for _ in range(8)]
    assert [name for name in order if name.startswith("other")] == ["other 0", "other 1", "other 2"]
    assert order.index("other 2") <= 3, "though a hundred stand before it"


def test_the_second_of_a_client_stands_behind_the_first_of_others():
    batcher = line(entry("1st", 0, client="a"), entry("2nd", 1, client="a"), entry("b", 2), cap=2)
    assert names(batcher) == ["1st", "b"]


def test_weights_that_are_far_wait_a_little_for_their_turn():
    batcher: Batcher[str] = Batcher(costs(), lambda weights: 0.2 if weights == 8 else 0.0)
    batcher.add(entry("far", 0, steps=8))
    batcher.add(entry("here", 0.5))
    assert names(batcher) == ["here"]
    batcher.add(entry("later", BRINGING * 0.2 + 0.1))
    assert step(batcher, 0.6)[0] == "here"
    assert names(batcher) == ["far"], "it has had its share"


def test_steps_are_counted_and_paid_for():
    a, b = entry("a", 0), entry("b", 0)
    batcher = line(a, b)
    batcher.took(batcher.next(), 0.033)
    assert [(each.steps, each.served) for each in (a, b)] == [(3, 0.033)] * 2


@given(every=st.floats(0.011, 0.2))
def test_eight_steps_are_not_starved_by_single_ones(every: float):
    """A newcomer of one step comes again and again, however fast."""
    batcher = line(entry("eight", 0, steps=8), cap=1)
    now, came, taken = 0.0, 0.0, 0
    while any(each.item == "eight" for each in batcher):
        while came <= now:
            batcher.add(entry("one", came, steps=1))
            came += every
        step(batcher, 0.022)
        now += 0.022
        taken += 1
    assert taken <= 8 + 8 * 0.022 / every + 2, "only who came before it had had its share"


@given(arrivals=st.lists(st.tuples(st.floats(0, 3), st.sampled_from((1, 2, 4, 8))), min_size=1))
def test_everybody_is_served_within_the_work_of_all(arrivals):
    batcher = line(*(entry(str(n), at, steps) for n, (at, steps) in enumerate(arrivals)))
    taken = 0
    while len(batcher):
        assert step(batcher, 0.03)
        taken += 1
    assert taken <= sum(steps for _, steps in arrivals)


entries = st.builds(
    lambda since, steps, rows, client, started, size: Entry(
        "x", steps, size, steps, since, rows, client, started=started
    ),
    since=st.floats(0, 10),
    steps=st.sampled_from((1, 2, 4, 8)),
    rows=st.sampled_from((1, 1, 2)),
    client=st.sampled_from((None, None, "a", "b")),
    started=st.booleans(),
    size=st.sampled_from((SIZE, WIDE)),
)


@given(st.lists(entries, min_size=1, max_size=30), st.sampled_from(BUCKETS))
def test_a_batch_is_of_one_kind_within_the_cap_and_misses_nobody_before(found, cap):
    batcher = line(*found, cap=cap)
    batch = batcher.next()
    assert len({each.group for each in batch}) == 1
    rows = sum(each.rows for each in batch)
    assert len(batch) == 1 or rows <= batcher.costs.cap("step", batch[0].size)
    out = [each for each in found if each.group == batch[0].group and each not in batch]
    for each in out:
        if each.started and each.client is None and rows + each.rows <= cap:
            raise AssertionError("there was room for somebody who had started")
    alone = [each for each in batch if each.client is None]
    for each in out:
        if each.client is None and each.rows == 1:
            assert all((not b.started, b.since) <= (not each.started, each.since) for b in alone)


# Forecasts -------------------------------------------------------------------------------------


def test_in_an_empty_line_nobody_waits():
    expected = line().forecast(entry("new", 0))
    assert (expected.ahead, expected.wait) == (0, 0)
    assert expected.work == pytest.approx(4 * 0.022 + 0.035)


def test_a_draft_is_sooner():
    batcher = line()
    assert batcher.forecast(entry("d", 0, draft=True)).work == pytest.approx(4 * 0.022 + 0.003)


def test_who_has_started_waits_no_more():
    begun = entry("begun", 5, started=True, steps=2)
    expected = line(entry("old", 0), begun).forecast(begun)
    assert (expected.ahead, expected.wait) == (0, 0)


def test_who_fits_into_the_call_does_not_wait_but_is_slower_for_it():
    batcher = line(*(entry(str(n), n) for n in range(3)))
    expected = batcher.forecast(entry("fourth", 9))
    assert (expected.ahead, expected.wait) == (3, 0)
    assert expected.work == pytest.approx(4 * (0.022 + 3 * 0.011) + 0.035)


def test_those_before_one_are_counted_by_its_own_place():
    middle = entry("middle", 5)
    batcher = line(*(entry(str(n), n) for n in range(10)), middle)
    assert batcher.forecast(middle).ahead == 5
    assert batcher.forecast(entry("new", 99)).ahead == 11


@given(st.lists(entries.filter(lambda each: each.client is None), max_size=20))
def test_a_longer_line_is_never_a_shorter_wait(found):
    batcher, waits = line(), []
    new = Entry("new", 4, SIZE, 4, 99.0)
    for each in found:
        waits.append(batcher.forecast(new))
        batcher.add(each)
    waits.append(batcher.forecast(new))
    for before, after in zip(waits, waits[1:], strict=False):
        assert after.wait >= before.wait - 1e-9
        assert after.ahead >= before.ahead
        assert after.work >= before.work - 1e-9
