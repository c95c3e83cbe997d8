"""One stream for all who ask for the same: who joins, who leaves, and what is left behind.

The contract of engines runs with it in test_memory.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from lightning_demo.engine.base import Forecast, Place
from lightning_demo.engine.shared import SharingEngine
from lightning_demo.errors import GenerationFailed
from lightning_demo.schemas import Frame, GenerationRequest

from .observed import collect, observed_engine, settle

STEPS = 4


def request(number: int) -> GenerationRequest:
    return GenerationRequest(f"number {number}", "", STEPS, 0.0, 0, 8, 8)


class Hand:
    """An engine whose steps are taken by the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[GenerationRequest, bool]] = []
        self.places: list[Place] = []
        self.running: dict[int, asyncio.Queue[Frame | Exception]] = {}
        self.told: Forecast | None = Forecast(ahead=3, wait=2.0, work=1.0)

    def frame(self, number: int, step: int) -> Frame:
        return Frame(self.asked[number][0], bytes([step]), "image/jpeg", step, step == STEPS)

    def paint(self, number: int, step: int) -> None:
        self.places[number].since = None
        self.running[number].put_nowait(self.frame(number, step))

    async def generate(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> AsyncGenerator[Frame, None]:
        assert place is not None
        number = len(self.asked)
        self.asked.append((request, draft))
        self.places.append(place)
        self.running[number] = asyncio.Queue()
        try:
            while True:
                frame = await self.running[number].get()
                if isinstance(frame, Exception):
                    raise frame
                yield frame
        finally:
            del self.running[number]

    def forecast(self, request: GenerationRequest, **_: Any) -> Forecast | None:
        return self.told


def pair() -> tuple[Hand, SharingEngine]:
    hand = Hand()
    return hand, SharingEngine(hand)  # type: ignore[arg-type]


@asynccontextmanager
async def sharing(components: Any) -> AsyncIterator[Any]:
    async with observed_engine(components) as (engine, sampler):
        yield SharingEngine(engine), sampler


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
            assert engine.shared == 2

    run(check())


def test_who_joins_late_gets_the_newest_frame_at_once(run):
    async def check() -> None:
        hand, engine = pair()
        first = engine.generate(request(0))
        reading = asyncio.ensure_future(anext(first))
        await settle()
        hand.paint(0, 2)
        assert (await reading).step == 2
        second = engine.generate(request(0))
        assert (await anext(second)).step == 2
        waiting = [asyncio.ensure_future(anext(each)) for each in (first, second)]
        await settle()
        hand.paint(0, STEPS)
        assert [frame.final for frame in await asyncio.gather(*waiting)] == [True, True]
        third = engine.generate(request(0))  # the others have not left yet
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
        assert [draft for _, draft in hand.asked] == [True, False]
        hand.paint(1, STEPS)
        hand.paint(0, STEPS)
        finals = [frames[-1] for frames in await asyncio.gather(*tasks)]
        assert all(frame.final for frame in finals)
        assert engine.shared == 2

    run(check())


def test_the_place_is_the_earliest_and_the_client_the_only_one(run):
    async def check() -> None:
        hand, engine = pair()
        places = [Place(30.0, "a"), Place(10.0, "a"), Place(20.0, "b"), Place()]
        seen, streams = [], []
        for place in places:
            streams.append(asyncio.ensure_future(collect(engine, request(0), place=place)))
            await settle()
            seen.append((hand.places[0].since, hand.places[0].client))
        assert seen == [(30.0, "a"), (10.0, "a"), (10.0, None), (10.0, None)]
        assert places[3].since is not None, "waits like everybody"
        streams[1].cancel()
        await asyncio.gather(streams[1], return_exceptions=True)
        assert (hand.places[0].since, places[1].since) == (20.0, 10.0), "who leaves keeps his"
        hand.paint(0, 1)
        await settle()
        assert [place.since for place in places] == [None, 10.0, None, None]
        hand.running[0].put_nowait(hand.frame(0, STEPS))
        await asyncio.gather(*streams, return_exceptions=True)

    run(check())


def test_a_request_moves_up_when_somebody_joins_who_has_waited_longer(run, components, ask):
    async def check() -> None:
        async with sharing(components) as (engine, sampler):
            sampler.hold()
            first = asyncio.ensure_future(collect(engine, ask("first", num_inference_steps=1)))
            await sampler.reached()
            # Of another size each, so that none shares a call with another.
            before, shared = ask("before", width=192), ask("shared", height=192)
            tasks = [first, asyncio.ensure_future(collect(engine, before))]
            await settle()
            tasks.append(asyncio.ensure_future(collect(engine, shared)))
            await settle()
            assert engine.forecast(shared, place=Place()).ahead == 1
            tasks.append(asyncio.ensure_future(collect(engine, shared, place=Place(since=0.0))))
            await settle()
            assert engine.forecast(shared, place=Place()).ahead == 0
            sampler.release()
            await asyncio.gather(*tasks)
            prompts = list(dict.fromkeys(sampler.steps))
            assert prompts == ["first", "shared", "before"]

    run(check())


def test_forecasts_are_of_the_stream_that_answers(run):
    async def check() -> None:
        hand, engine = pair()
        assert engine.forecast(request(0)) == hand.told
        mine = Place()
        reading = asyncio.ensure_future(collect(engine, request(0), place=mine))
        await settle()
        assert engine.forecast(request(0)) == hand.told, "it waits, as this one would"
        hand.places[0].since = None
        assert engine.forecast(request(0)) == Forecast(ahead=0, wait=0.0, work=1.0)
        assert mine.since is None, "and is told so before its first frame"
        hand.told = None
        assert engine.forecast(request(0)) is None
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
            async with aclosing(engine.generate(request(number), draft=draft)) as frames:
                async for frame in frames:
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
                steps[number] = min(STEPS - 1, steps.get(number, 0) + 1)
                if hand.running[number].empty() and steps[number] < STEPS:
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
        assert hand.running == {} and engine._streams == {}
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(play())
