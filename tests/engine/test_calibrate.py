"""What calls take is measured on the device, before anybody waits and while nobody does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lightning_demo.engine import calibrate as measuring
from lightning_demo.engine.base import Work
from lightning_demo.engine.build import about
from lightning_demo.engine.calibrate import Calibration, calibrate
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.engine.local import LocalEngine
from lightning_demo.errors import OutOfMemory
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import ROW_BUCKETS

from .moments import settle
from .observed import ObservedSampler, collect


def test_calls_are_measured_before_anybody_waits(run, components, ask):
    async def check() -> None:
        latencies, usual = LatencyModel(), (128, 128)
        family = replace(MINIATURE, sizes=(usual, (192, 128)))
        engine = LocalEngine(
            lambda report: ObservedSampler(replace(components, spec=family)),
            about(family),
            latency_model=latencies,
            idle_seconds=0.01,
        )
        while engine.status().state == "loading":
            await settle()
        assert {rows for kind, _, rows, _ in latencies if kind == "step"} >= {1, 2}
        forecast = engine.forecast(Work(ask("a cat")))
        assert forecast.ahead == 0 and forecast.wait == 0 and forecast.work > 0
        # The rest while nobody asks; other sizes are alike and told by the usual one.
        while {kind for kind, *_ in latencies} != {"step", "preview", "decoder"}:
            await settle()
        assert {size for _, size, *_ in latencies} == {usual}
        assert (await collect(engine, ask("a cat", width=384)))[-1].final
        await engine.aclose()
        assert engine.forecast(Work(ask("a cat"))) is None

    run(check())


def test_sizes_unlike_any_other_are_measured_too(components):
    latencies, usual, small = LatencyModel(), (128, 128), (64, 64)
    family = replace(MINIATURE, sizes=(usual, small))
    calibration = Calibration(ObservedSampler(replace(components, spec=family)), latencies)
    calibration.first()
    measured = [{(kind, size) for kind, size, *_ in latencies}]
    while calibration.another():
        measured.append({(kind, size) for kind, size, *_ in latencies})
    assert measured[0] == {("step", usual)}
    assert measured[-1] == {
        (kind, size) for kind in ("step", "preview", "decoder") for size in (usual, small)
    }


def test_a_call_that_cannot_be_measured_ends_its_kind_and_no_other(components, monkeypatch, caplog):
    def seconds(runner: Any, kind: str, batch: list[Any]) -> float:
        if kind == "preview":
            raise RuntimeError("a broken preview")
        return 0.01 * len(batch)

    monkeypatch.setattr(measuring, "_seconds", seconds)
    latencies, size = LatencyModel(), MINIATURE.sizes[0]
    family = replace(MINIATURE, sizes=(size,))
    calibration = Calibration(ObservedSampler(replace(components, spec=family)), latencies)
    calibration.first()
    while calibration.another():
        pass
    assert {kind for kind, *_ in latencies} == {"step", "decoder"}
    assert "a broken preview" in caplog.text


def test_what_is_measured_in_service_is_one_call_at_a_time(components, monkeypatch):
    """So that whoever comes waits for one at most, and not for all of them."""
    calls: list[int] = []

    def seconds(runner: Any, kind: str, batch: list[Any]) -> float:
        calls.append(len(batch))
        return 0.01

    monkeypatch.setattr(measuring, "_seconds", seconds)
    latencies, size = LatencyModel(), MINIATURE.sizes[0]
    family = replace(MINIATURE, sizes=(size,))
    calibration = Calibration(ObservedSampler(replace(components, spec=family)), latencies)
    calibration.begin_anew()
    assert calls == [] and calibration.under_way
    seen = []
    while calibration.go_on():
        seen.append(len(calls))
    assert all(later - before <= 1 for before, later in zip([0, *seen], seen, strict=False))
    assert sorted(calls) == sorted([*ROW_BUCKETS] * measuring.ROUNDS) and not calibration.under_way
    assert latencies.cap("step", size) == ROW_BUCKETS[-1]


@pytest.mark.parametrize(("busy", "cap"), [(0, 8), (1, 8), (2, 1)])
def test_a_moment_in_which_the_machine_was_busy_does_not_end_the_sharing(
    components, monkeypatch, busy: int, cap: int
):
    calls = {1: 0.01, 2: 0.012, 4: 0.016, 8: 0.024}
    times: Counter[int] = Counter()

    def seconds(runner: Any, kind: str, batch: list[Any]) -> float:
        times[len(batch)] += 1
        slow = len(batch) == 2 and times[2] <= busy * measuring.ROUNDS
        return calls[len(batch)] * (3 if slow else 1)

    monkeypatch.setattr(measuring, "_seconds", seconds)
    latencies, size = LatencyModel(), MINIATURE.sizes[0]
    family = replace(MINIATURE, sizes=(size,))
    calibration = Calibration(ObservedSampler(replace(components, spec=family)), latencies)
    calibration.first()
    assert latencies.cap("step", size) == cap
    while calibration.another():
        pass
    assert latencies.cap("step", size) == 8, "found out in a quiet moment"


def test_memory_that_holds_few_rows_is_found_out_while_measuring(components):
    sampler = ObservedSampler(components)
    sampler.memory_rows = 2
    latencies, size = LatencyModel(), MINIATURE.sizes[0]
    calibrate(sampler, latencies, "step", size)
    assert latencies.cap("step", size) <= 2
    sampler.memory_rows = 0
    with pytest.raises(OutOfMemory):
        calibrate(sampler, LatencyModel(), "step", size)
