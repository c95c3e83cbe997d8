"""Batches on the device: who shares a call, and whose fault it is when one fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from lightning_demo.engine import calibrate as measuring
from lightning_demo.engine.base import Work
from lightning_demo.engine.build import about
from lightning_demo.engine.calibrate import Calibration, calibrate
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.engine.local import LocalEngine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.engine.runner import SamplerRunner
from lightning_demo.errors import GenerationFailed, OutOfMemory
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import ROW_BUCKETS

from .moments import settle
from .observed import ObservedSampler, collect, known_latencies


class Crowd:
    """An engine whose batches are seen, and requests that are all in line before it begins."""

    def __init__(self, components: Any) -> None:
        self.sampler = ObservedSampler(components)
        self.latencies = known_latencies()
        self.metrics = Metrics()
        self.engine = LocalEngine(
            lambda report: self.sampler,
            about(MINIATURE),
            metrics=self.metrics,
            latency_model=self.latencies,
        )

    async def paint(self, *requests: Any) -> list[Any]:
        """The frames of each, or its error; the first alone is on the device when others come."""
        self.sampler.hold()
        tasks = [asyncio.ensure_future(collect(self.engine, requests[0]))]
        await self.sampler.reached()
        for request in requests[1:]:
            tasks.append(asyncio.ensure_future(collect(self.engine, request)))
            await settle(0.001)
        self.sampler.release()
        return await asyncio.gather(*tasks, return_exceptions=True)

    def total(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"lightning_{name}", labels) or 0.0


@asynccontextmanager
async def crowd(components: Any) -> Any:
    made = Crowd(components)
    try:
        while made.engine.status().state == "loading":
            await settle()
        made.sampler.batches.clear()
        made.sampler.steps.clear()
        yield made
    finally:
        made.sampler.release()
        await made.engine.aclose()


def test_requests_alike_share_steps_and_join_where_the_others_are(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:
            await made.paint(*(ask(f"{n}") for n in range(4)))
            # One step alone, then three that came meanwhile join; the first leaves before them.
            assert made.sampler.batches == [["0"], *[["0", "1", "2", "3"]] * 3, ["1", "2", "3"]]

    run(check())


def test_what_cannot_share_takes_turns(run, miniature, ask):
    """With the UNet that is shipped: of a quicker one, all steps would be one turn."""

    async def check() -> None:
        async with crowd(miniature) as made:
            few, many = ask("few", num_inference_steps=2), ask("many", num_inference_steps=8)
            wide = ask("wide", num_inference_steps=2, width=384)
            await made.paint(many, few, wide)
            assert all(len(batch) == 1 for batch in made.sampler.batches)
            order = [batch[0] for batch in made.sampler.batches]
            assert Counter(order) == {"many": 8, "few": 2, "wide": 2}
            assert order.index("few") < 4 and order.index("wide") < 5, "8 steps do not go first"

    run(check())


def test_in_company_a_picture_is_the_same_to_a_level(run, miniature, ask):
    """With the decoder that is shipped."""

    async def check() -> None:
        async with crowd(miniature) as made:
            requests = [
                ask(f"a red house {n}", seed=n, guidance_scale=2.0 * (n % 2)) for n in range(5)
            ]
            together = await made.paint(*requests)
            assert max(map(len, made.sampler.batches)) > 2
            for request, frames in zip(requests, together, strict=True):
                alone = (await collect(made.engine, request))[-1].pixels.astype(int)
                assert np.abs(frames[-1].pixels - alone).max() <= 1

    run(check())


def test_long_and_weighted_prompts_are_what_they_are_alone(run, components, ask):
    """Rows of other lengths take turns, and each picture is the same to a level."""

    async def check() -> None:
        async with crowd(components) as made:
            long = ("a red house by the sea at sunset, " * 5).strip()
            requests = [
                ask("a red house", seed=1),
                ask(long, seed=2),
                ask("a (red:1.4) house", seed=3),
                ask("a blue boat", seed=4, guidance_scale=2.0, negative_prompt=long),
                ask("a cat", seed=5, morph_prompt="a dog", morph_strength=0.5),
                ask(f"{long} at night", seed=6, variation_seed=9, variation_strength=0.3),
            ]
            together = await made.paint(*requests)
            shared = [set(batch) for batch in made.sampler.batches]
            assert {long, "a red house"} not in shared
            assert any({"a (red:1.4) house", "a cat"} <= batch for batch in shared)
            assert any({long, f"{long} at night"} <= batch for batch in shared), "alike share"
            for batch in shared:
                many = {name for name in batch if len(name) > 99 or name == "a blue boat"}
                assert not many or many == batch
            for request, frames in zip(requests, together, strict=True):
                alone = (await collect(made.engine, request))[-1].pixels.astype(int)
                assert np.abs(frames[-1].pixels - alone).max() <= 1

    run(check())


def test_only_the_row_at_fault_fails(run, components, ask, caplog: pytest.LogCaptureFixture):
    async def check() -> None:
        async with crowd(components) as made:
            *frames, error, last = await made.paint(
                *(ask(f"{n}") for n in range(4)), ask("poison"), ask("5")
            )
            assert isinstance(error, GenerationFailed) and "incident" in str(error)
            for each in [*frames, last]:
                assert each[-1].final
            assert Counter(made.sampler.steps) == {name: 4 for name in "01235"}, "no step twice"

    run(check())


def test_only_the_picture_with_nan_fails(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:

            def spoil(row: Any) -> None:
                if row.request.prompt == "2":
                    row.latents = row.latents * float("nan")
                    row.denoised = row.denoised * float("nan")

            made.sampler.after_step = spoil
            for kind in ("decoder", "preview"):  # as if decoding together were worthwhile
                for rows in (1, 2, 4, 8):
                    made.latencies.calibrate(kind, MINIATURE.sizes[0], rows, 0.01)
            results = await made.paint(*(ask(f"{n}") for n in range(4)))
            assert isinstance(results.pop(2), GenerationFailed)
            assert all(frames[-1].final for frames in results)

    run(check())


def test_a_batch_too_large_for_the_memory_is_made_smaller_for_good(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:
            made.sampler.memory_rows = 2
            quick = partial(ask, num_inference_steps=2)
            results = await made.paint(*(quick(f"{n}") for n in range(8)))
            assert all(frames[-1].final for frames in results)
            assert made.latencies.cap("step", MINIATURE.sizes[0]) == 2
            refused = made.sampler.refused
            assert 0 < refused <= 3, "at 8, 4 and perhaps 3 rows"
            await made.paint(*(quick(f"again {n}") for n in range(8)))
            assert made.sampler.refused == refused, "it has learned"

            made.sampler.memory_rows = 0
            (error,) = await made.paint(ask("nothing fits"))
            assert isinstance(error, OutOfMemory)
            made.sampler.memory_rows = 8
            assert (await collect(made.engine, ask("room again")))[-1].final

    run(check())


@pytest.mark.parametrize("shown", [False, True])
def test_a_superseded_row_leaves_at_the_next_step_and_is_counted(
    run, components, ask, monkeypatch, shown: bool
):
    # Whether a reader has taken a preview in time is chance; here it decides.
    monkeypatch.setattr("lightning_demo.engine.executor.shows_preview", lambda *a, **k: shown)

    async def check() -> None:
        async with crowd(components) as made:
            made.sampler.hold()
            kept = asyncio.ensure_future(collect(made.engine, ask("kept", num_inference_steps=8)))
            await made.sampler.reached()
            leaves = asyncio.ensure_future(
                collect(made.engine, ask("leaves", num_inference_steps=8))
            )
            await settle()
            made.sampler.hold_after(2)
            await made.sampler.reached()
            leaves.cancel()
            await asyncio.gather(leaves, return_exceptions=True)
            made.sampler.release()
            await kept
            assert made.sampler.steps.count("leaves") <= 2
            assert made.sampler.batches[-1] == ["kept"]
            assert made.total("requests_total", outcome="superseded", origin="page") == 1
            taken, wasted = made.sampler.steps.count("leaves"), made.total("wasted_steps_total")
            assert taken > 0
            # What was seen is no waste: the first preview, at least.
            assert (wasted < taken) if shown else (wasted == taken)
            assert made.total("steps_total", origin="page") == len(made.sampler.steps)

    run(check())


def test_a_draft_is_decoded_by_the_preview_decoder(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:
            draft = (await collect(made.engine, ask("quick"), draft=True))[-1]
            assert draft.final and made.total("decoded_total", kind="decoder") == 0
            row = made.sampler.begin(ask("quick"))
            while not row.done:
                made.sampler.step([row])
            assert np.array_equal(draft.pixels, made.sampler.preview(row))

    run(check())


@pytest.mark.parametrize("seconds", [0.09, 0.11])
def test_a_slow_decoder_is_preceded_by_the_quick_one(run, components, ask, seconds: float):
    """What stays is the full decoder's all the same."""

    async def check() -> None:
        async with crowd(components) as made:
            made.latencies.calibrate("decoder", MINIATURE.sizes[0], 1, seconds)
            frames = await collect(made.engine, ask("slow", num_inference_steps=1))
            slow = seconds > 0.1
            assert [(frame.step, frame.final) for frame in frames] in (
                [(1, False), (1, True)][not slow :],
                [(1, True)],  # the first was not read in time
            )
            assert made.total("decoded_total", kind="preview") == slow
            row = made.sampler.begin(ask("slow", num_inference_steps=1))
            made.sampler.step([row])
            assert np.array_equal(frames[-1].pixels, made.sampler.finish(row))
            if len(frames) == 2:
                assert np.array_equal(frames[0].pixels, made.sampler.preview(row))

    run(check())


def test_a_preview_that_fails_is_left_out(run, components, ask, monkeypatch):
    async def check() -> None:
        async with crowd(components) as made:
            wanted = await collect(made.engine, ask("a"))

            def fail(rows: Any) -> Any:
                raise GenerationFailed("NaN")

            monkeypatch.setattr(made.sampler, "previews", fail)
            (only,) = await collect(made.engine, ask("a"))
            assert only.final and np.array_equal(only.pixels, wanted[-1].pixels)
            (error,) = await made.paint(replace(ask("a"), prompt="poison"))
            assert isinstance(error, GenerationFailed)

    run(check())


def test_prompts_of_a_batch_are_encoded_together(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:
            await made.paint(*(ask(f"new {n}") for n in range(4)))
            assert made.total("prompts_total") == 4
            assert made.total("embed_seconds_count") == 2, "the first, then three at once"

    run(check())


def test_while_others_wait_only_the_first_preview_is_made(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:
            made.latencies.lower("step", MINIATURE.sizes[0], 2)  # one at a time
            first, second = await made.paint(ask("0"), ask("1"))
            assert [frame.step for frame in first] in ([1, 4], [4])
            assert second[-1].final

    run(check())


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


def test_what_encoding_takes_is_told_without_the_drawing_of_noise():
    seconds = iter([0.0, 2.0, 7.0])

    class Sampler:
        def prepare(self, requests: Any, *, asked: bool) -> int:
            return len(requests)

        def begin(self, request: Any) -> str:
            next(seconds)
            return request

    runner = SamplerRunner(Sampler(), clock=lambda: next(seconds))  # type: ignore[arg-type]
    assert runner.begin(["a"]) == (["a"], 1, 2.0)


def test_a_frame_tells_what_encoding_took_as_the_metrics_do(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:
            frames = await collect(made.engine, ask("a new prompt"))
            taken = 1000 * made.total("embed_seconds_sum")
            assert frames[-1].timings["embed"] == pytest.approx(taken)

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
