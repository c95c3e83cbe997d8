"""What every engine promises; each implementation's test module subclasses this."""

from __future__ import annotations

import asyncio
import io
import pickle
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_demo.engine.base import Engine, Work, final_frame
from lightning_demo.errors import EngineUnavailable, LightningError
from lightning_demo.schemas import Frame

from .moments import settle
from .observed import ObservedSampler, collect, only_frames

Open = Callable[[], AbstractAsyncContextManager[tuple[Engine, ObservedSampler]]]


class EngineContract:
    """Tests of the Engine protocol; `open_engine` opens the implementation."""

    keeps_the_line = True  # whether the engine, and not somebody else, decides whose turn it is

    @pytest.fixture
    def open_engine(self, components: Any) -> Open:
        raise NotImplementedError

    async def arrived(self, engine: Engine) -> None:
        """Waits until what was asked, changed or given up is known wherever it is painted."""
        await settle()

    def test_frames_go_up_to_one_final_of_the_request(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, _):
                request = ask("a red house by the sea at sunset")
                frames = await collect(engine, request)
                steps = [frame.step for frame in frames]
                assert steps == sorted(steps) and len(set(steps)) >= len(steps) - 1
                assert [frame.final for frame in frames] == [False] * (len(frames) - 1) + [True]
                assert frames[-1].step == 4
                assert all(frame.request == request for frame in frames)

        run(check())

    def test_it_says_once_that_it_starts_and_everything_can_travel(
        self, run, open_engine: Open, ask
    ):
        async def check() -> None:
            async with open_engine() as (engine, _):
                work = Work(ask("a red house"), client=("address", "::1"), since=1.0)
                assert pickle.loads(pickle.dumps(work)) == work  # noqa: S301
                async with aclosing(engine.generate(work)) as stream:
                    values = [value async for value in stream]
                assert [type(value) for value in values[1:]] == [Frame] * (len(values) - 1)
                for value in values:
                    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301

        run(check())

    def test_a_draft_ends_with_a_final_too(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, _):
                frames = await collect(engine, ask("quick", num_inference_steps=2), draft=True)
                assert [frame.final for frame in frames] == [False] * (len(frames) - 1) + [True]
                assert frames[-1].step == 2

        run(check())

    def test_a_guess_ends_with_a_final_too(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, _):
                frame = await final_frame(engine, Work(ask("a guess"), ahead=True))
                assert frame.final and frame.step == 4

        run(check())

    def test_a_forecast_is_there_at_once_and_grows_with_the_line(self, run, open_engine: Open, ask):
        quick = partial(ask, num_inference_steps=1)

        async def check() -> None:
            async with open_engine() as (engine, sampler):
                alone = engine.forecast(Work(quick("alone")))
                sampler.hold()
                tasks = [asyncio.ensure_future(collect(engine, quick("running")))]
                await sampler.reached()
                # More than share a step.
                tasks += [asyncio.ensure_future(collect(engine, quick(f"{n}"))) for n in range(9)]
                await self.arrived(engine)
                crowded = engine.forecast(Work(quick("last")))
                sampler.release()
                await asyncio.gather(*tasks)
                if alone is None:
                    assert crowded is None, "it never knows"
                else:
                    assert (alone.ahead, alone.wait) == (0, 0) and alone.work >= 0
                    assert crowded is not None
                    assert crowded.ahead == 9 and crowded.wait >= alone.wait

        run(check())

    def test_what_replaces_waiting_work_waits_as_long(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, sampler):
                sampler.hold()
                tasks = [asyncio.ensure_future(collect(engine, ask("running")))]
                await sampler.reached()
                # Claims travel as an age, and what travels for long seems younger.
                since = asyncio.get_running_loop().time() - 10
                replaced = asyncio.ensure_future(collect(engine, ask("replaced"), since=since))
                await self.arrived(engine)
                # Of another size, so that they cannot share a step.
                second = ask("second", width=384, num_inference_steps=1)
                tasks.append(asyncio.ensure_future(collect(engine, second)))
                await self.arrived(engine)
                replaced.cancel()
                await asyncio.gather(replaced, return_exceptions=True)
                kept = ask("kept", height=384, num_inference_steps=1)
                tasks.append(asyncio.ensure_future(collect(engine, kept, since=since)))
                await self.arrived(engine)
                sampler.release()
                await asyncio.gather(*tasks)
                order = list(dict.fromkeys(sampler.steps))
                assert "replaced" not in order
                if self.keeps_the_line:
                    assert order.index("kept") < order.index("second")

        run(check())

    def test_work_that_is_amended_waits_by_its_new_claim(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, sampler):
                sampler.hold()
                tasks = [asyncio.ensure_future(collect(engine, ask("running")))]
                await sampler.reached()
                since = asyncio.get_running_loop().time()
                # Of another size each, so that they cannot share a step.
                first = Work(ask("first", width=384, num_inference_steps=1), since=since)
                last = Work(ask("last", height=384, num_inference_steps=1), since=since + 100)
                for work in (first, last):
                    reading = collect(engine, work.request, since=work.since)
                    tasks.append(asyncio.ensure_future(reading))
                    await self.arrived(engine)
                engine.amend(last, replace(last, since=since - 100))
                engine.amend(Work(ask("not here"), since=since), Work(ask("not here"), since=0.0))
                await self.arrived(engine)
                sampler.release()
                for frames in await asyncio.gather(*tasks):
                    assert frames[-1].final
                order = list(dict.fromkeys(sampler.steps))
                if self.keeps_the_line:
                    assert order.index("last") < order.index("first")

        run(check())

    def test_a_frame_is_a_jpeg_of_the_asked_size(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, _):
                final = (await collect(engine, ask("a boat", width=384, height=256)))[-1]
                image = Image.open(io.BytesIO(final.data))
                assert (image.format, image.size) == ("JPEG", (384, 256))
                assert final.media_type == "image/jpeg"
                assert final.pixels.shape == (256, 384, 3)
                assert set(final.timings) == {
                    "queue",
                    "embed",
                    "steps",
                    "decode",
                    "encode",
                    "total",
                }
                assert all(value >= 0 for value in final.timings.values())

        run(check())

    def test_alone_and_in_company_the_picture_is_the_same(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, _):
                request = ask("a cat in the snow")
                alone = (await collect(engine, request))[-1]
            async with open_engine() as (engine, _):
                steps = (1, 4, 4)
                others = [ask(f"{n} trees", seed=n, num_inference_steps=steps[n]) for n in range(3)]
                results = await asyncio.gather(
                    *(collect(engine, other) for other in others), collect(engine, request)
                )
                difference = results[-1][-1].pixels.astype(int) - alone.pixels
                assert np.abs(difference).max() <= 1
                for other, frames in zip(others, results, strict=False):
                    assert frames[-1].request == other

        run(check())

    def test_closing_the_stream_stops_the_work_within_one_step(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, sampler):
                sampler.hold()
                stream = engine.generate(Work(ask("stop me", num_inference_steps=8)))
                reading = asyncio.ensure_future(anext(stream))
                await sampler.reached()
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                await stream.aclose()
                await self.arrived(engine)
                sampler.release()
                await collect(engine, ask("next"))
                assert sampler.steps.count("stop me") <= 1

        run(check())

    def test_a_request_closed_while_it_waits_never_starts(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, sampler):
                sampler.hold()
                first = asyncio.ensure_future(collect(engine, ask("first")))
                await sampler.reached()
                waiting = asyncio.ensure_future(collect(engine, ask("never")))
                await self.arrived(engine)
                while engine.status().waiting != 1:
                    await settle()
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                while engine.status().waiting:
                    await settle()
                await self.arrived(engine)
                sampler.release()
                await first
                await collect(engine, ask("last"))
                assert "never" not in sampler.steps

        run(check())

    def test_an_exception_fails_one_request_and_tells_no_secret(
        self, run, open_engine: Open, ask, caplog: pytest.LogCaptureFixture
    ):
        async def check() -> None:
            async with open_engine() as (engine, _):
                with pytest.raises(LightningError) as caught:
                    await collect(engine, ask("poison"))
                assert "secret" not in str(caught.value)
                incident = str(caught.value).split("incident ")[1].rstrip(").")
                assert incident in caplog.text and "secret" in caplog.text
                assert (await collect(engine, ask("a house")))[-1].final

        run(check())

    def test_a_reader_that_is_slow_gets_the_final(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, sampler):
                work = Work(ask("slow", num_inference_steps=8))
                sampler.hold_at(2)  # at the second step, until the first preview is read
                async with aclosing(engine.generate(work)) as values:
                    frames = only_frames(values)
                    first = await anext(frames)
                    await sampler.reached()
                    sampler.release()
                    while len(sampler.steps) < 8:
                        await settle()
                    rest = [frame async for frame in frames]
                assert not first.final
                assert len(rest) < 7 and rest[-1].final

        run(check())

    def test_closing_the_engine_ends_everything_with_a_sentence(self, run, open_engine: Open, ask):
        async def check() -> None:
            async with open_engine() as (engine, sampler):
                sampler.hold()
                tasks = [asyncio.ensure_future(collect(engine, ask(f"{n}"))) for n in range(3)]
                await sampler.reached()
                closing = asyncio.ensure_future(engine.aclose())
                await settle()
                sampler.hold_at(1)  # none gets further than one step
                await closing
                for result in await asyncio.gather(*tasks, return_exceptions=True):
                    assert isinstance(result, EngineUnavailable)
                assert engine.status().state == "closed"
                with pytest.raises(EngineUnavailable):
                    await collect(engine, ask("too late"))

        run(check())
