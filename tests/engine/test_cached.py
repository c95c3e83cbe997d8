"""Frames painted once: a budget in bytes for what is kept, one stream for who asks for the same."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from lightning_demo.engine.base import Forecast, Started, Stream, Work
from lightning_demo.engine.build import about
from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.engine.metrics import Metrics
from lightning_demo.errors import GenerationFailed
from lightning_demo.model.weights.checkpoints import MINIATURE
from lightning_demo.schemas import EngineStatus, Frame, GenerationRequest

from .contract import EngineContract
from .moments import settle
from .observed import Tab, collect, observed_engine, only_frames

STEPS = 4


def request(number: int) -> GenerationRequest:
    return GenerationRequest(f"number {number}", "", STEPS, 0.0, 0, 8, 8)


class Hand:
    """An engine whose steps are taken by the test."""

    def __init__(self) -> None:
        self.asked: list[Work] = []
        self.amended: list[tuple[Work, Work]] = []
        self.running: dict[int, asyncio.Queue[Started | Frame | Exception]] = {}
        self.told: Forecast | None = Forecast(ahead=3, wait=2.0, work=1.0)

    def status(self) -> EngineStatus:
        return about(MINIATURE)

    def frame(self, number: int, step: int) -> Frame:
        request = self.asked[number].request
        return Frame(request, bytes([step]), "image/jpeg", step, step == STEPS)

    def start(self, number: int) -> None:
        self.running[number].put_nowait(Started())

    def paint(self, number: int, step: int) -> None:
        self.running[number].put_nowait(self.frame(number, step))

    async def generate(self, work: Work) -> Stream:
        number = len(self.asked)
        self.asked.append(work)
        self.running[number] = asyncio.Queue()
        try:
            while True:
                value = await self.running[number].get()
                if isinstance(value, Exception):
                    raise value
                yield value
        finally:
            del self.running[number]

    def forecast(self, work: Work) -> Forecast | None:
        return self.told

    def amend(self, work: Work, amended: Work) -> None:
        self.amended.append((work, amended))


def pair() -> tuple[Hand, CachedEngine]:
    """Nothing is kept, so that each request reaches the hand."""
    hand = Hand()
    return hand, CachedEngine(hand, FrameCache(0))  # type: ignore[arg-type]


@asynccontextmanager
async def sharing(components: Any) -> AsyncIterator[Any]:
    async with observed_engine(components) as (engine, sampler):
        yield CachedEngine(engine, FrameCache(0)), sampler


def test_two_who_ask_for_the_same_get_one_computation(run, components, ask):
    async def check() -> None:
        async with sharing(components) as (engine, sampler):
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask("a boat"))) for _ in range(3)]
            await sampler.reached()
            sampler.release()
            results = await asyncio.gather(*tasks)
            assert sampler.steps == ["a boat"] * 4
            assert len({frames[-1].data for frames in results}) == 1
            assert all(frames[-1].final for frames in results)

    run(check())


def test_a_picture_is_kept_under_the_model_that_painted_it(run):
    """Not under the one that has taken over by the time it comes: that one is to paint its own."""

    class Changing(Hand):
        model = "stand-in"

        def status(self) -> EngineStatus:
            return replace(about(MINIATURE), model=self.model)

    async def check() -> None:
        hand = Changing()
        engine = CachedEngine(hand, FrameCache(2**20))  # type: ignore[arg-type]
        before = asyncio.ensure_future(collect(engine, request(0)))
        await settle()
        hand.model = "wanted"
        joined = asyncio.ensure_future(collect(engine, request(0)))
        await settle()
        hand.running[0].put_nowait(replace(hand.frame(0, STEPS), model="stand-in"))
        assert {frames[-1].model for frames in await asyncio.gather(before, joined)} == {"stand-in"}
        again = asyncio.ensure_future(collect(engine, request(0)))
        await settle()
        hand.running[1].put_nowait(replace(hand.frame(1, STEPS), model="wanted"))
        assert [frame.model for frame in await again] == ["wanted"]

    run(check())


def test_who_joins_late_gets_the_newest_frame_at_once(run):
    async def check() -> None:
        hand, engine = pair()
        first = only_frames(engine.generate(Work(request(0))))
        reading = asyncio.ensure_future(anext(first))
        await settle()
        hand.paint(0, 2)
        assert (await reading).step == 2
        second = only_frames(engine.generate(Work(request(0))))
        assert (await anext(second)).step == 2
        waiting = [asyncio.ensure_future(anext(each)) for each in (first, second)]
        await settle()
        hand.paint(0, STEPS)
        assert [frame.final for frame in await asyncio.gather(*waiting)] == [True, True]
        third = only_frames(engine.generate(Work(request(0))))  # the others have not left yet
        assert (await anext(third)).final
        assert len(hand.asked) == 1
        for each in (first, second, third):
            await each.aclose()
        assert hand.running == {}

    run(check())


def test_who_leaves_does_not_stop_it_and_the_last_one_does(run):
    async def check() -> None:
        hand, engine = pair()
        tasks = [asyncio.ensure_future(collect(engine, request(0))) for _ in range(2)]
        await settle()
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        assert list(hand.running) == [0]
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        assert hand.running == {}
        last = asyncio.ensure_future(collect(engine, request(0)))
        await settle()
        assert len(hand.asked) == 2, "painted anew: nothing is left to join"
        hand.paint(1, STEPS)
        assert (await last)[-1].final

    run(check())


def test_an_error_reaches_all_and_the_next_one_starts_anew(run):
    async def check() -> None:
        hand, engine = pair()
        tasks = [asyncio.ensure_future(collect(engine, request(0))) for _ in range(3)]
        await settle()
        hand.running[0].put_nowait(GenerationFailed("It broke."))
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, GenerationFailed)
        again = asyncio.ensure_future(collect(engine, request(0)))
        await settle()
        hand.paint(1, STEPS)
        assert (await again)[-1].final and hand.running == {}

    run(check())


def test_a_full_one_serves_a_draft_and_a_draft_never_a_full_one(run):
    async def check() -> None:
        hand, engine = pair()
        tasks = [
            asyncio.ensure_future(collect(engine, request(0), draft=draft))
            for draft in (True, False, True, False)
        ]
        await settle()
        assert [work.draft for work in hand.asked] == [True, False]
        hand.paint(1, STEPS)
        hand.paint(0, STEPS)
        finals = [frames[-1] for frames in await asyncio.gather(*tasks)]
        assert all(frame.final for frame in finals)

    run(check())


def test_it_waits_since_the_earliest_and_for_the_only_client(run):
    async def check() -> None:
        hand, engine = pair()
        streams = []
        for since, client in [(30.0, "a"), (10.0, "a"), (20.0, "b"), (40.0, "b")]:
            streams.append(
                asyncio.ensure_future(collect(engine, request(0), since=since, client=client))
            )
            await settle()
        assert [(work.since, work.client) for work in hand.asked] == [(30.0, "a")], "asked once"
        for leaves in streams[:2]:
            leaves.cancel()
            await asyncio.gather(leaves, return_exceptions=True)
        assert [(each.since, each.client) for _, each in hand.amended] == [
            (10.0, "a"),
            (10.0, None),  # the last one changes nothing
            (20.0, "b"),  # who leaves takes the claim along
        ]
        known = [hand.asked[0], *(amended for _, amended in hand.amended)]
        assert [before for before, _ in hand.amended] == known[:-1]
        hand.start(0)
        await settle()
        streams.append(asyncio.ensure_future(collect(engine, request(0), since=1.0)))
        await settle()
        assert len(hand.amended) == 3, "what has started has its place"
        hand.paint(0, STEPS)
        await asyncio.gather(*streams, return_exceptions=True)
        assert hand.running == {}

    run(check())


def test_a_request_moves_up_when_somebody_joins_who_has_waited_longer(run, components, ask):
    async def check() -> None:
        async with sharing(components) as (engine, sampler):
            sampler.hold()
            first = asyncio.ensure_future(collect(engine, ask("first", num_inference_steps=1)))
            await sampler.reached()
            # Of another size each, so that none shares a call with another.
            before, shared = ask("before", width=384), ask("shared", height=384)
            tasks = [first, asyncio.ensure_future(collect(engine, before))]
            await settle()
            tasks.append(asyncio.ensure_future(collect(engine, shared)))
            await settle()
            assert engine.forecast(Work(shared)).ahead == 1
            tasks.append(asyncio.ensure_future(collect(engine, shared, since=0.0)))
            await settle()
            assert engine.forecast(Work(shared)).ahead == 0
            sampler.release()
            await asyncio.gather(*tasks)
            prompts = list(dict.fromkeys(sampler.steps))
            assert prompts == ["first", "shared", "before"]

    run(check())


def test_who_joins_with_an_older_claim_neither_supersedes_nor_restarts(run, components, ask):
    async def check() -> None:
        metrics = Metrics()
        async with observed_engine(components, metrics=metrics) as (local, sampler):
            engine = CachedEngine(local, FrameCache(0), metrics)
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask("running", width=384)))]
            await sampler.reached()
            tasks.append(asyncio.ensure_future(collect(engine, ask("shared"))))
            await settle()
            asked = time.perf_counter()
            await settle()
            joined = time.perf_counter()
            tasks.append(asyncio.ensure_future(collect(engine, ask("shared"), since=0.0)))
            await settle()
            sampler.release()
            _, *shared = [frames[-1] for frames in await asyncio.gather(*tasks)]
        count = metrics.registry.get_sample_value
        assert count("lightning_requests_total", {"outcome": "superseded", "origin": "page"}) == 0
        assert count("lightning_requests_total", {"outcome": "finished", "origin": "page"}) == 2
        assert all(each.timings["queue"] >= 1000 * (joined - asked) for each in shared)

    run(check())


@pytest.mark.parametrize("started", [False, True])
def test_previews_are_made_while_anybody_looks_at_them(run, started: bool):
    async def check() -> None:
        hand, engine = pair()
        program = asyncio.ensure_future(collect(engine, request(0), previews=False, client="a"))
        await settle()
        assert [work.previews for work in hand.asked] == [False]
        if started:
            hand.start(0)
            await settle()
        page = asyncio.ensure_future(collect(engine, request(0), since=0.0))
        await settle()
        (known, amended), *_ = hand.amended
        assert (known.previews, amended.previews) == (False, True)
        place = known.client, known.since
        assert (place == (amended.client, amended.since)) is started
        page.cancel()
        await asyncio.gather(page, return_exceptions=True)
        assert not hand.amended[-1][1].previews
        hand.paint(0, STEPS)
        assert (await program)[-1].final

    run(check())


def test_forecasts_are_of_the_stream_that_answers(run):
    async def check() -> None:
        hand, engine = pair()
        work = Work(request(0))
        assert engine.forecast(work) == hand.told
        reading = asyncio.ensure_future(collect(engine, request(0)))
        await settle()
        assert engine.forecast(work) == hand.told, "it waits, as this one would"
        hand.start(0)
        await settle()
        assert engine.forecast(work) == Forecast(ahead=0, wait=0.0, work=1.0)
        hand.told = None
        assert engine.forecast(work) is None
        hand.paint(0, STEPS)
        await reading

    run(check())


# Each move: (what, which request or reader, draft).
MOVES = st.lists(
    st.tuples(st.sampled_from(["open", "read", "close", "frame", "error"]), st.integers(0, 5)),
    max_size=40,
)


@settings(max_examples=60)
@given(MOVES)
def test_whatever_happens_nothing_is_left_and_who_stays_gets_the_final(moves):
    async def play() -> None:
        hand, engine = pair()
        readers: list[asyncio.Task[Frame]] = []
        steps: dict[int, int] = {}
        broken = False

        async def read(number: int, draft: bool) -> Frame:
            last = 0
            async with aclosing(engine.generate(Work(request(number), draft=draft))) as values:
                async for frame in only_frames(values):
                    assert frame.step > last and frame.request == request(number)
                    last = frame.step
            return frame

        for what, which in moves:
            running = sorted(hand.running)
            if what == "open":
                readers.append(asyncio.ensure_future(read(which % 2, which > 3)))
            elif what == "close" and readers:
                readers.pop(which % len(readers)).cancel()
            elif what == "frame" and running:
                number = running[which % len(running)]
                if hand.running[number].empty() and steps.get(number, 0) < STEPS - 1:
                    steps[number] = steps.get(number, 0) + 1
                    hand.paint(number, steps[number])
            elif what == "error" and running:
                broken = True
                hand.running[running[which % len(running)]].put_nowait(GenerationFailed("x"))
            for _ in range(which):
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        while hand.running:
            for number in list(hand.running):
                hand.paint(number, STEPS)
            for _ in range(10):
                await asyncio.sleep(0)
        for result in await asyncio.gather(*readers, return_exceptions=True):
            good = isinstance(result, Frame) and result.final
            assert good or (broken and isinstance(result, GenerationFailed))
        assert hand.running == {}
        for number, draft in itertools.product(range(2), (False, True)):
            work = Work(request(number), draft=draft)
            assert engine.forecast(work) == hand.told, "there is nothing to join"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(play())


# What is kept ---------------------------------------------------------------------------------

REQUEST = GenerationRequest("a", "", 4, 0.0, 0, 8, 8)


def frame(seed: int, size: int) -> Frame:
    return Frame(replace(REQUEST, seed=seed), b"x" * size, "image/jpeg", 4, True)


@asynccontextmanager
async def caching(components: Any) -> AsyncIterator[Any]:
    async with observed_engine(components) as (engine, sampler):
        yield CachedEngine(engine, FrameCache(2**20)), sampler


class TestContract(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any):
        return lambda: caching(components)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 500))))
def test_the_budget_holds_whatever_is_put(puts: list[tuple[int, int]]):
    cache = FrameCache(1000)
    for seed, size in puts:
        cache.put(("m", replace(REQUEST, seed=seed)), frame(seed, size))
        kept = [cache.get(("m", replace(REQUEST, seed=n))) for n in range(10)]
        sizes = [len(f.data) + 4 for f in kept if f is not None]
        assert cache.bytes == sum(sizes) <= 1000
        assert len(cache) == len(sizes)


def test_the_one_unused_longest_makes_room():
    cache = FrameCache(1000)
    keys = [("m", replace(REQUEST, seed=n)) for n in range(4)]
    for n in range(3):
        cache.put(keys[n], frame(n, 300))
    cache.get(keys[0])
    cache.put(keys[3], frame(3, 300))
    assert cache.get(keys[1]) is None
    assert cache.get(keys[0]) is not None


def test_a_frame_larger_than_the_budget_is_not_kept():
    cache = FrameCache(100)
    cache.put(("m", REQUEST), frame(0, 300))
    assert len(cache) == cache.bytes == 0


def test_another_model_paints_another_picture():
    cache = FrameCache(1000)
    cache.put(("one", REQUEST), frame(0, 10))
    assert cache.get(("other", REQUEST)) is None


def test_a_kept_request_is_one_final_frame_without_a_step(run, components, ask):
    async def check() -> None:
        async with caching(components) as (engine, sampler):
            first = await collect(engine, ask("a boat"))
            sampler.steps.clear()
            again = await collect(engine, ask("a boat"))
            assert sampler.steps == []
            assert [f.cached for f in again] == [True]
            assert again[0].data == first[-1].data
            assert np.array_equal(again[0].pixels, first[-1].pixels)

    run(check())


def test_what_is_kept_takes_no_time(run, components, ask):
    async def check() -> None:
        async with caching(components) as (engine, _):
            await collect(engine, ask("a boat"))
            assert engine.forecast(Work(ask("a boat"))) == Forecast(0, 0.0, 0.0)

    run(check())


def test_a_draft_is_not_kept_and_answered_by_what_is(run, components, ask):
    async def check() -> None:
        async with caching(components) as (engine, sampler):
            await collect(engine, ask("a boat"), draft=True)
            assert len(engine.cache) == 0
            full = await collect(engine, ask("a boat"))
            assert not full[-1].cached and len(sampler.steps) == 8
            (again,) = await collect(engine, ask("a boat"), draft=True)
            assert again.cached and again.data == full[-1].data

    run(check())


def test_backspace_undo_and_slider_back_repaint_without_a_step(run, components, ask):
    async def check() -> None:
        async with caching(components) as (engine, sampler):
            tab = Tab(engine)
            typed = [ask("a cat"), ask("a cat in snow"), ask("a cat", guidance_scale=1.5)]
            for sequence, request in enumerate(typed):
                tab.session.submit(sequence, request)
                await tab.answer(sequence)
            sampler.steps.clear()
            for sequence, back in enumerate((typed[0], typed[1], typed[2], typed[0]), start=10):
                before = len(tab.seen)
                tab.session.submit(sequence, back)
                frame = (await tab.answer(sequence)).frame
                assert (frame.cached, frame.request) == (True, back)
                assert len(tab.seen) == before + 1, "one frame, and that at once"
            assert sampler.steps == []
            await tab.close()

    run(check())


def test_what_must_be_painted_here_does_not_join_what_may_be_on_its_way_elsewhere(run):
    """Else two servers that stand by for each other would wait for each other."""

    async def check() -> None:
        hand = Hand()
        engine = CachedEngine(hand, FrameCache(0))
        streams = [engine.generate(Work(request(1), here=here)) for here in (False, True, True)]
        reading = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await settle()
        assert [work.here for work in hand.asked] == [False, True]
        for number in (0, 1):
            hand.start(number)
        await asyncio.gather(*reading)
        for stream in streams:
            await stream.aclose()

    run(check())
