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

from lightning_demo.engine.build import about
from lightning_demo.engine.local import LocalEngine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.errors import GenerationFailed, OutOfMemory
from lightning_demo.model.weights.checkpoints import MINIATURE

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
        """The frames of each, or its error; the first alone is on the device when others come.

        None has waited longer than another, however long it takes them to come.
        """
        since = asyncio.get_running_loop().time()
        self.sampler.hold()
        tasks = [asyncio.ensure_future(collect(self.engine, requests[0], since=since))]
        await self.sampler.reached()
        for request in requests[1:]:
            tasks.append(asyncio.ensure_future(collect(self.engine, request, since=since)))
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
            made.sampler.hold_at(2)
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


def test_a_frame_tells_what_encoding_took_as_the_metrics_do(run, components, ask):
    async def check() -> None:
        async with crowd(components) as made:
            frames = await collect(made.engine, ask("a new prompt"))
            taken = 1000 * made.total("embed_seconds_sum")
            assert frames[-1].timings["embed"] == pytest.approx(taken)

    run(check())
