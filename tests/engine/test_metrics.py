"""Measurements: what Prometheus reads, and the last seconds in short."""

from __future__ import annotations

import asyncio
import threading
from itertools import product

import hypothesis.strategies as st
import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from lightning_demo.engine.base import Work, final_frame
from lightning_demo.engine.build import about
from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.engine.local import LocalEngine
from lightning_demo.engine.metrics import MAX_KEYS, Metrics
from lightning_demo.engine.recent import EVENTS, SECONDS
from lightning_demo.errors import GenerationFailed
from lightning_demo.model.weights.checkpoints import MINIATURE

from .moments import settle
from .observed import ObservedSampler, collect, known_latencies


class Clock:
    """A monotonic clock that goes when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def everything(metrics: Metrics) -> None:
    metrics.queued(0.2)
    metrics.embedded(2, 0.004)
    metrics.stepped(["page", "api", "page"], 0.03)
    metrics.decoded("preview", 1, 0.002)
    metrics.decoded("decoder", 2, 0.02)
    metrics.sent({"encode": 1.0, "total": 50.0}, first=True, final=False)
    metrics.sent({"encode": 2.0, "total": 300.0}, first=False, final=True)
    metrics.superseded(2)
    metrics.failed("api")
    metrics.hit()
    metrics.miss()
    metrics.shared()
    metrics.sessions(5, 2)
    metrics.waiting(4)
    metrics.used("alice", 4)
    metrics.used(None, 8)
    metrics.refused("alice")
    metrics.came("page")
    metrics.came("api").move("running")
    metrics.came("api").leave()


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Each sample's value by its name and its labels' values, these by their names."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (("lightning_queue_wait_seconds_sum",), 0.2),
        (("lightning_embed_seconds_sum",), 0.004),
        (("lightning_prompts_total",), 2),
        (("lightning_step_seconds_sum", "3"), 0.03),
        (("lightning_batch_rows_sum",), 3),
        (("lightning_steps_total", "page"), 2),
        (("lightning_steps_total", "api"), 1),
        (("lightning_decode_seconds_sum", "preview"), 0.002),
        (("lightning_decode_seconds_sum", "decoder"), 0.02),
        (("lightning_decoded_total", "decoder"), 2),
        (("lightning_encode_seconds_sum",), 0.003),
        (("lightning_first_paint_seconds_sum",), 0.05),
        (("lightning_request_seconds_sum",), 0.3),
        (("lightning_requests_total", "page", "finished"), 1),
        (("lightning_requests_total", "page", "superseded"), 1),
        (("lightning_requests_total", "page", "failed"), 0),
        (("lightning_requests_total", "api", "failed"), 1),
        (("lightning_wasted_steps_total",), 2),
        (("lightning_memory_total", "hit"), 1),
        (("lightning_memory_total", "miss"), 1),
        (("lightning_memory_total", "shared"), 1),
        (("lightning_sessions",), 5),
        (("lightning_sessions_waiting",), 2),
        (("lightning_waiting",), 4),
        (("lightning_in_flight", "page", "waiting"), 1),
        (("lightning_in_flight", "page", "running"), 0),
        (("lightning_in_flight", "api", "waiting"), 0),
        (("lightning_in_flight", "api", "running"), 1),
        (("lightning_key_pictures_total", "alice"), 1),
        (("lightning_key_steps_total", "alice"), 4),
        (("lightning_key_steps_total", "no key"), 8),
        (("lightning_key_refused_total", "alice"), 1),
    ],
)
def test_prometheus_reads_what_was_measured(sample: tuple[str, ...], value: float):
    metrics = Metrics()
    everything(metrics)
    assert values(metrics)[sample] == pytest.approx(value)


def test_what_has_not_happened_yet_is_exposed_as_zero():
    found = values(Metrics())
    assert found["lightning_requests_total", "page", "failed"] == 0
    assert found["lightning_in_flight", "api", "running"] == 0
    assert found["lightning_memory_total", "hit"] == 0


def test_two_engines_in_one_process_do_not_meet():
    first, second = Metrics(), Metrics()
    first.stepped(["page"] * 4, 0.01)
    assert values(second)["lightning_steps_total", "page"] == 0


def test_a_row_of_keys_without_end_makes_no_labels_without_end():
    metrics = Metrics()
    for number in range(MAX_KEYS + 50):
        metrics.used(f"key-{number}", 4)
        metrics.refused(f"key-{number}")
    metrics.used("key-0", 4)
    found = values(metrics)
    assert found["lightning_key_pictures_total", "key-0"] == 2
    assert found["lightning_key_pictures_total", "other keys"] == 50
    assert found["lightning_key_refused_total", "other keys"] == 50
    assert sum(name == "lightning_key_pictures_total" for name, *_ in found) == MAX_KEYS + 1


def test_the_summary_is_of_the_last_seconds():
    clock = Clock()
    metrics = Metrics(clock)
    metrics.sessions(3)
    for wait in (0.1, 0.2, 0.9):
        metrics.queued(wait)
    metrics.stepped(["page"] * 4, 0.01)
    metrics.stepped(["page", "api"], 0.01)
    metrics.superseded(3)
    metrics.miss()
    metrics.hit()
    for number in range(6):
        metrics.sent({"encode": 2.0, "total": 300.0}, first=False, final=True, draft=number == 0)
    clock.now += 3
    assert metrics.summary() == {
        "sessions": 3,
        "pictures": 5,
        "pictures_per_second": 2.0,
        "rows_per_step": 3.0,
        "queue_wait_ms": 200.0,
        "hit_rate": 0.5,
        "wasted": 0.5,
    }


def test_only_sessions_pictures_and_hit_rate_are_older_than_the_window():
    clock = Clock()
    metrics = Metrics(clock)
    everything(metrics)
    clock.now += SECONDS + 1
    assert metrics.summary() == {
        "sessions": 5,
        "pictures": 1,
        "pictures_per_second": 0.0,
        "rows_per_step": None,
        "queue_wait_ms": None,
        "hit_rate": 0.5,  # who shares has missed
        "wasted": None,
    }


def test_nothing_measured_is_not_zero():
    summary = Metrics(Clock()).summary()
    assert summary["hit_rate"] is summary["wasted"] is summary["queue_wait_ms"] is None


@given(
    st.integers(0, 3) | st.floats(0, 10_000),
    st.lists(st.tuples(st.floats(0, 25), st.integers(1, 9)), max_size=40),
)
def test_the_summary_is_of_the_last_ten_seconds_and_no_more(
    start: float, events: list[tuple[float, int]]
):
    clock = Clock(start)
    metrics = Metrics(clock)
    steps: list[tuple[float, int]] = []
    for pause, rows in events:
        clock.now += pause
        metrics.stepped(["page"] * rows, 0.01)
        steps.append((clock.now, rows))
        recent = [rows for at, rows in steps if at > clock.now - SECONDS]
        assert metrics.summary()["rows_per_step"] == round(sum(recent) / len(recent), 2)


def test_what_is_kept_is_bounded_and_the_newest():
    metrics = Metrics(Clock())
    for wait in [9.0] * 1000 + [1.0] * EVENTS:
        metrics.queued(wait)
    assert metrics.summary()["queue_wait_ms"] == 1000.0


def test_a_clock_that_stands_still_divides_by_nothing():
    metrics = Metrics(Clock(0.0))
    metrics.sent({"encode": 2.0, "total": 100.0}, first=True, final=True)
    assert metrics.summary()["pictures_per_second"] == 1.0


def test_threads_may_share_it():
    metrics = Metrics(Clock())
    threads = [
        threading.Thread(target=lambda: [metrics.stepped(["page"] * 2, 0.001) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(metrics)["lightning_steps_total", "page"] == 4000
    assert metrics.summary()["rows_per_step"] == 2.0


def test_the_local_engine_measures_what_it_does(run, components, ask):
    metrics = Metrics()

    def in_flight(*labels: str) -> float:
        return values(metrics)[("lightning_in_flight", *labels)]

    async def check() -> None:
        sampler = ObservedSampler(components)
        local = LocalEngine(
            lambda report: sampler,
            about(MINIATURE),
            metrics=metrics,
            latency_model=known_latencies(),
        )
        engine = CachedEngine(local, FrameCache(2**20), metrics)
        try:
            for _ in range(2):
                await collect(engine, ask("a boat", num_inference_steps=2))
            program = Work(ask("a tree", num_inference_steps=2), origin="api")
            await final_frame(engine, program)
            with pytest.raises(GenerationFailed):
                await collect(engine, ask("poison"))
            sampler.hold()
            gone = asyncio.ensure_future(collect(engine, ask("a cat", num_inference_steps=4)))
            await sampler.reached()
            waits = asyncio.ensure_future(collect(engine, ask("a house", num_inference_steps=1)))
            while not in_flight("page", "running") == in_flight("page", "waiting") == 1:
                await settle()
            assert in_flight("api", "waiting") == in_flight("api", "running") == 0
            gone.cancel()
            await asyncio.wait([gone])
            assert in_flight("page", "running") == 0
            sampler.release()
            await waits
        finally:
            await engine.aclose()

    run(check())
    found = values(metrics)
    outcomes = ("finished", "failed", "superseded")
    assert [found["lightning_requests_total", "page", name] for name in outcomes] == [2, 1, 1]
    assert [found["lightning_requests_total", "api", name] for name in outcomes] == [1, 0, 0]
    assert [found["lightning_memory_total", name] for name in ("hit", "miss")] == [1, 5]
    assert found["lightning_wasted_steps_total",] == 1
    assert found["lightning_steps_total", "page"] == 2 + 1 + 1
    assert found["lightning_steps_total", "api"] == 2
    assert found["lightning_batch_rows_count",] == 6
    assert found["lightning_decoded_total", "decoder"] == 3
    assert found["lightning_first_paint_seconds_count",] == 3
    assert found["lightning_queue_wait_seconds_count",] == 5
    assert {in_flight(*each) for each in product(("page", "api"), ("waiting", "running"))} == {0}
    assert metrics.summary()["hit_rate"] == round(1 / 6, 4)
    assert metrics.summary()["pictures"] == 3
