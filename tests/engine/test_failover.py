"""Several engines as one: the contract, and what happens to a request when one dies or hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_demo.engine.attempt import Attempt, Place
from lightning_demo.engine.base import Forecast, Started, Value, Work
from lightning_demo.engine.breaker import Breaker
from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.engine.failover import FailoverEngine
from lightning_demo.engine.metrics import Metrics
from lightning_demo.errors import (
    EngineUnavailable,
    GenerationFailed,
    InvalidRequest,
    NotTaken,
    OutOfMemory,
)
from lightning_demo.schemas import EngineStatus, Frame, GenerationRequest

from ..web.fakes import LIMITS, STATUS, FakeEngine
from .contract import EngineContract
from .moments import settle
from .observed import collect, observed_engine

CLOSED = replace(STATUS, state="failed", detail="It is gone.")


def asked(prompt: str = "a cat", **fields: Any) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": prompt, "seed": 7, **fields}, LIMITS)


class Spare:
    """An engine that must not be asked."""

    def status(self) -> EngineStatus:
        return STATUS

    def forecast(self, work: Work) -> Forecast | None:
        return None

    def amend(self, work: Work, amended: Work) -> None:
        raise AssertionError("nothing is here")

    async def generate(self, work: Work) -> AsyncIterator[Value]:
        raise AssertionError("the first one is well")
        yield Started()

    async def aclose(self) -> None:
        pass


class TestContract(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any):
        @asynccontextmanager
        async def open_failover() -> AsyncIterator[Any]:
            async with observed_engine(components) as (local, sampler):
                spare: Any = Spare()
                yield (
                    FailoverEngine([Place("first", local, here=True), Place("second", spare)]),
                    sampler,
                )

        return open_failover


class Pair:
    """Two engines, the first of which may die."""

    def __init__(self, **about: Any) -> None:
        self.first, self.second = FakeEngine(), FakeEngine()
        self.metrics = Metrics()
        self.places = [
            Place("First", self.first, here=True, label="1", **about),
            Place("Second", self.second, label="2"),
        ]
        self.engine = FailoverEngine(self.places, self.metrics)

    def die(self, engine: FakeEngine) -> None:
        """As a killed process: whoever reads is told that it is gone."""
        engine.say(state="failed", detail="It is gone.")
        engine.hold()
        for reader in list(engine._readers.values()):
            reader.end(EngineUnavailable("It is gone."))

    async def read(self, request: GenerationRequest, **options: Any) -> list[Value]:
        async with aclosing(self.engine.generate(Work(request, **options))) as values:
            return [value async for value in values]

    def counted(self, name: str) -> float:
        return sum(
            sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == name
        )

    async def __aenter__(self) -> Pair:
        return self

    async def __aexit__(self, *exception: object) -> None:
        for engine in (self.first, self.second):
            engine.release()
        await self.engine.aclose()


def steps(values: list[Value]) -> list[int]:
    return [value.step for value in values if isinstance(value, Frame)]


def test_one_that_dies_in_a_request_is_replaced_and_no_frame_comes_twice(run):
    async def check() -> None:
        async with Pair() as pair:
            request, seen = asked(num_inference_steps=8), []
            pair.first.step_seconds = 0.05
            async with aclosing(pair.engine.generate(Work(request))) as values:
                async for value in values:
                    seen.append(value)
                    if isinstance(value, Frame) and len(steps(seen)) == 1:
                        pair.die(pair.first)
            kinds = [type(value).__name__ for value in seen if not isinstance(value, Frame)]
            assert kinds == ["Started", "Requeued", "Started"]
            assert steps(seen) == sorted(set(steps(seen)))
            assert seen[-1].final and seen[-1].request == request
            alone = FakeEngine()
            same = (await collect(alone, request))[-1]
            assert same.data == seen[-1].data and np.array_equal(same.pixels, seen[-1].pixels)
            await alone.aclose()
            assert pair.counted("lightning_moved_total") == 1
            status = pair.engine.status()
            assert (status.state, status.engines, status.engines_ready) == ("ready", 2, 1)
            assert status.detail == "Second goes on: It is gone."
            assert status.own_state == "failed", "what others are told of this machine"

    run(check())


def test_what_is_done_is_gone_from_its_engine(run):
    """Also where a reader is cancelled while the stream closes, as behind a memory."""

    async def check() -> None:
        async with Pair() as pair:
            remembers = CachedEngine(pair.engine, FrameCache(0), pair.metrics)
            for number in range(10):
                work = Work(asked(f"{number}"))
                async with aclosing(remembers.generate(work)) as values:
                    assert [value async for value in values][-1].final
            await settle()
            first, _ = pair.metrics.engine_rows()
            assert (first["given"], first["painting"]) == (10, 0)
            assert not pair.first._readers, "its stream is closed"

    run(check())


def test_each_of_several_behind_one_place_is_listed(run):
    async def check() -> None:
        async with Pair() as pair:
            far = FakeEngine()
            metrics = Metrics()
            FailoverEngine(
                [Place("Here", pair.engine, here=True, label="1"), Place("Far", far, label="far")],
                metrics,
            )
            assert [row["name"] for row in metrics.engine_rows()] == ["1", "2", "far"]
            await far.aclose()

    run(check())


def test_one_that_hangs_is_left(run, monkeypatch):
    async def check() -> None:
        async with Pair(hung_seconds=0.2, breaker=Breaker(pause=600)) as pair:
            pair.first.forecast_of = lambda request, draft: Forecast(0, 0.0, 0.0)
            pair.first.hold()
            frames = steps(await pair.read(asked()))
            assert frames[-1] == 4
            assert pair.places[0].ejected, "at once: each who is sent there would wait as long"
            again = await pair.read(asked("another"))
            assert steps(again)[-1] == 4 and pair.first.requests == [asked()]
            first, second = pair.metrics.engine_rows()
            assert (first["name"], first["state"], first["given"]) == ("1", "resting", 1)
            assert (second["state"], second["painting"], second["given"]) == ("ready", 0, 2)

    run(check())


def test_one_that_is_stuck_is_not_asked_again_while_another_loads(run):
    """It answers, and does not go on: it would be stuck a second time."""

    async def check() -> None:
        async with Pair(hung_seconds=0.2, breaker=Breaker(pause=0.05)) as pair:
            pair.first.forecast_of = lambda request, draft: Forecast(0, 0.0, 0.0)
            pair.first.hold()
            pair.second.say(state="loading", detail="Downloading")
            reading = asyncio.ensure_future(pair.read(asked()))
            await pair.first.reached()
            while pair.first.running:
                await settle()
            await settle(0.4)  # its breaker would allow it
            assert not reading.done()
            pair.second.say(state="ready", detail="")
            assert steps(await reading)[-1] == 4
            assert pair.first.requests == [asked()] == pair.second.requests

    run(check())


def test_a_request_that_ends_two_engines_is_not_given_to_a_third(run):
    async def check() -> None:
        third = FakeEngine()
        async with Pair() as pair:
            engine = FailoverEngine([*pair.places, Place("Third", third)])
            with pytest.raises(EngineUnavailable):
                async with aclosing(engine.generate(Work(asked("poison me")))) as values:
                    async for value in values:
                        if isinstance(value, Started):
                            pair.die(pair.second if pair.second.requests else pair.first)
            assert len(pair.second.requests) == 1 and third.requests == []
            await third.aclose()

    run(check())


@pytest.mark.parametrize("error", [InvalidRequest, GenerationFailed, OutOfMemory])
def test_what_is_the_requests_own_fault_is_not_tried_again(run, error):
    async def check() -> None:
        async with Pair() as pair:
            pair.first.fault = lambda request: error("It is at fault.")
            with pytest.raises(error):
                await pair.read(asked())
            assert pair.second.requests == []
            assert pair.places[0].breaker.state(0.0) == "closed"

    run(check())


def test_engines_that_never_had_it_do_not_count(run):
    class Away(Spare):
        async def generate(self, work: Work) -> AsyncIterator[Value]:
            raise NotTaken("Connection refused.")
            yield Started()

    async def check() -> None:
        async with Pair() as pair:
            away: Any = Away()
            places = [Place(f"{n}", away, breaker=Breaker(failures=1)) for n in range(3)]
            engine = FailoverEngine([*places, pair.places[1]])
            frames = await collect(engine, asked())
            assert frames[-1].final
            assert all(place.ejected for place in places)
            only_away = FailoverEngine(places)
            with pytest.raises(NotTaken, match="refused"):
                await collect(only_away, asked())

    run(check())


def test_while_the_first_loads_another_paints_and_the_first_takes_over(run):
    async def check() -> None:
        async with Pair() as pair:
            pair.first.say(state="loading", detail="Downloading")
            assert (await collect(pair.engine, asked()))[-1].final
            assert pair.engine.status().state == "ready" and pair.first.requests == []
            pair.first.say(state="ready", detail="")
            await collect(pair.engine, asked("another"))
            assert pair.first.requests == [asked("another")]
            assert pair.engine.status().engines_ready == 2

    run(check())


def test_what_waits_for_a_model_goes_to_an_engine_that_is_ready_before(run):
    async def check() -> None:
        async with Pair() as pair:
            for engine in (pair.first, pair.second):
                engine.say(state="loading", detail="Downloading")
            reading = asyncio.ensure_future(pair.read(asked()))
            await settle()
            pair.second.say(state="ready", detail="")
            assert steps(await reading)[-1] == 4
            assert pair.first.steps == []

    run(check())


def test_without_any_engine_it_says_what_is_wrong_with_each(run):
    async def check() -> None:
        async with Pair() as pair:
            pair.first.say(state="failed", detail="Weights are missing.")
            pair.second.say(state="failed", detail="It does not answer.")
            status = pair.engine.status()
            assert (status.state, status.engines_ready) == ("failed", 0)
            assert status.detail == "First: Weights are missing. Second: It does not answer."
            with pytest.raises(EngineUnavailable, match="Weights are missing. It does not answer."):
                await pair.read(asked())

    run(check())


def test_work_of_another_server_is_painted_here_or_not_at_all(run):
    async def check() -> None:
        async with Pair() as pair:
            assert steps(await pair.read(asked(), here=True))[-1] == 4
            pair.die(pair.first)
            with pytest.raises(EngineUnavailable):
                await pair.read(asked("another"), here=True)
            assert pair.second.requests == []

    run(check())


def test_a_late_first_frame_of_the_last_key_is_begun_on_a_second_engine(run):
    async def check() -> None:
        async with Pair() as pair:
            pair.first.forecast_of = lambda request, draft: Forecast(0, 0.0, 0.05)
            pair.first.hold()
            values = await pair.read(asked(), paused=True)
            assert steps(values)[-1] == 4
            assert pair.first.running == 0, "the loser is cancelled"
            assert pair.counted("lightning_second_starts_total") == 1
            assert pair.counted("lightning_moved_total") == 0
            assert not pair.places[0].ejected

    run(check())


@pytest.mark.parametrize("option", ["draft", "ahead", "yields", "typing"])
def test_nothing_else_is_begun_twice(run, option):
    async def check() -> None:
        async with Pair() as pair:
            pair.first.forecast_of = lambda request, draft: Forecast(0, 0.0, 0.0)
            pair.first.hold()
            options = {} if option == "typing" else {"paused": True, option: True}
            reading = asyncio.ensure_future(pair.read(asked(), **options))
            await pair.first.reached()
            await settle(0.5)
            assert pair.second.requests == [] and not pair.second.works
            pair.first.release()
            assert steps(await reading)[-1] == 4

    run(check())


def test_who_stops_typing_while_it_waits_gets_a_second_start_too(run):
    async def check() -> None:
        async with Pair() as pair:
            pair.first.forecast_of = lambda request, draft: Forecast(0, 0.0, 0.05)
            pair.first.hold()
            work = Work(asked(), since=asyncio.get_running_loop().time())

            async def read() -> list[Value]:
                async with aclosing(pair.engine.generate(work)) as values:
                    return [value async for value in values]

            reading = asyncio.ensure_future(read())
            await settle()
            pair.engine.amend(work, replace(work, paused=True))
            assert steps(await reading)[-1] == 4
            assert len(pair.second.requests) == 1

    run(check())


def test_a_failed_guess_says_nothing_of_an_engine(run):
    async def check() -> None:
        async with Pair() as pair:
            pair.first.fault = lambda request: EngineUnavailable("Not now.")
            for number in range(5):
                with pytest.raises(EngineUnavailable):
                    await pair.read(asked(f"{number}"), ahead=True)
            assert not pair.places[0].ejected and not pair.second.works

    run(check())


def test_a_request_that_joins_a_guess_as_it_is_given_away_is_painted_as_one(run):
    """The engine hears of the work with the first value that is asked for."""

    async def check() -> None:
        engine = FakeEngine()
        guess = Work(asked(), since=0.0, ahead=True)
        wanted = replace(guess, ahead=False)
        attempt = Attempt(Place("one", engine, here=True), guess)
        attempt.amend(wanted)
        while not isinstance(await attempt.ask(), Frame):
            attempt.take()
        await attempt.leave()
        assert [work.ahead for work in engine.works] == [False]
        await engine.aclose()

    run(check())
