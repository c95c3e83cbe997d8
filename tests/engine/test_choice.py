"""Which of several equal engines gets a request, and engines that come and go."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from lightning_demo.engine.attempt import Place
from lightning_demo.engine.awaited import STARTING, AwaitedEngine
from lightning_demo.engine.base import Value, Work
from lightning_demo.engine.breaker import Breaker
from lightning_demo.engine.choice import LONG_LINE, Balanced
from lightning_demo.engine.failover import FailoverEngine
from lightning_demo.errors import EngineHung, EngineUnavailable, NotTaken
from lightning_demo.schemas import Frame, GenerationRequest

from ..web.fakes import LIMITS, STATUS, FakeEngine
from .moments import settle


def asked(prompt: str) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": prompt, "seed": 7}, LIMITS)


class Equals:
    """Some equal engines."""

    def __init__(self, number: int) -> None:
        self.engines = [FakeEngine() for _ in range(number)]
        self.places = [Place(f"{n}", each, here=True) for n, each in enumerate(self.engines)]
        self.engine = FailoverEngine(self.places, choice=Balanced())
        self.reading: list[asyncio.Task[list[Value]]] = []

    def begin(self, prompt: str, session: str | None = None, **options: Any) -> None:
        async def read() -> list[Value]:
            work = Work(asked(prompt), session=session, **options)
            async with aclosing(self.engine.generate(work)) as values:
                return [value async for value in values]

        self.reading.append(asyncio.ensure_future(read()))

    async def painted(self) -> list[Frame]:
        """The finals of all that has been begun."""
        for engine in self.engines:
            engine.release()
        found = await asyncio.gather(*self.reading)
        self.reading.clear()
        return [values[-1] for values in found if isinstance(values[-1], Frame)]

    def prompts(self, number: int) -> list[str]:
        return [request.prompt for request in self.engines[number].requests]

    async def __aenter__(self) -> Equals:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.painted()
        for engine in self.engines:
            await engine.aclose()


def hold(equals: Equals) -> None:
    for engine in equals.engines:
        engine.hold()


def test_new_sessions_spread_and_stay(run):
    async def check() -> None:
        async with Equals(3) as equals:
            for number in range(6):
                equals.begin(f"{number}", session=f"s{number}")
                await equals.painted()
            assert [len(equals.prompts(n)) for n in range(3)] == [2, 2, 2]
            for number in range(6):
                equals.begin(f"{number} again", session=f"s{number}")
            await equals.painted()
            for n in range(3):
                before, after = equals.prompts(n)[:2], equals.prompts(n)[2:]
                assert sorted(after) == sorted(f"{prompt} again" for prompt in before)

    run(check())


def test_what_comes_at_once_is_spread_by_what_is_to_be_done(run):
    async def check() -> None:
        async with Equals(2) as equals:
            hold(equals)
            for number in range(8):
                equals.begin(f"{number}", origin="api")
            await settle()
            assert [place.load for place in equals.places] == [4, 4]
            assert len(await equals.painted()) == 8
            assert [place.load for place in equals.places] == [0, 0]

    run(check())


def test_a_session_whose_engine_has_a_line_is_helped_by_an_idle_one_and_stays(run):
    async def check() -> None:
        async with Equals(2) as equals:
            equals.begin("home", session="mine")
            await equals.painted()
            home = 0 if equals.prompts(0) else 1
            other = 1 - home
            equals.engines[home].hold()
            equals.engine.places = [equals.places[home]]
            for number in range(1 + LONG_LINE + 8):
                equals.begin(f"{number}", origin="api")
            await settle()
            assert equals.places[home].line >= LONG_LINE
            equals.engine.places = equals.places
            equals.begin("helped", session="mine")
            await settle()
            assert equals.prompts(other) == ["helped"]
            await equals.painted()
            equals.begin("back", session="mine")
            await equals.painted()
            assert equals.prompts(home)[-1] == "back"

    run(check())


def test_guesses_are_no_load(run):
    async def check() -> None:
        async with Equals(2) as equals:
            hold(equals)
            equals.begin("guess", ahead=True)
            await settle()
            assert [place.load for place in equals.places] == [0, 0]

    run(check())


def test_engines_come_and_go(run):
    async def check() -> None:
        async with Equals(3) as equals:
            equals.engine.places = equals.places[:1]
            equals.begin("first", session="mine")
            await equals.painted()
            assert equals.engine.status().engines == 1
            equals.engines[0].hold()
            equals.begin("on its way", session="mine")
            await equals.engines[0].reached()
            equals.engine.places = equals.places[1:]
            assert equals.places[0].left and equals.engine.status().engines == 2
            equals.begin("moves", session="mine")
            await settle(0.1)
            assert equals.prompts(0) == ["first", "on its way"]
            finals = await equals.painted()
            assert {frame.request.prompt for frame in finals} == {"on its way", "moves"}
            equals.engine.places = equals.places
            equals.begin("stays there", session="mine")
            await equals.painted()
            assert equals.prompts(0) == ["first", "on its way"]

    run(check())


def test_what_is_taken_away_with_its_engine_begins_anew_elsewhere(run):
    async def check() -> None:
        async with Equals(2) as equals:
            equals.engine.places = equals.places[:1]
            equals.engines[0].hold()
            equals.begin("moves", session="mine")
            await equals.engines[0].reached()
            equals.engine.places = equals.places[1:]
            for reader in list(equals.engines[0]._readers.values()):
                reader.end(EngineUnavailable("It is gone."))
            (final,) = await equals.painted()
            assert final.request.prompt == "moves" and equals.prompts(1) == ["moves"]

    run(check())


def test_while_no_engine_is_there_requests_wait_for_one(run):
    async def check() -> None:
        async with Equals(2) as equals:
            awaited = AwaitedEngine(STATUS)
            nobody = Place("nobody", awaited, here=True)
            awaited.tell(2)
            equals.engine.places = [nobody]
            status = equals.engine.status()
            assert (status.state, status.detail) == ("loading", STARTING)
            assert (status.engines, status.engines_ready) == (2, 0)
            equals.begin("waits")
            equals.begin("of another server", here=True)
            await settle()
            assert equals.engine.status().waiting == 2
            awaited.tell(1)
            equals.engine.places = [equals.places[0], nobody]
            assert len(await equals.painted()) == 2
            status = equals.engine.status()
            assert (status.state, status.engines, status.engines_ready) == ("ready", 2, 1)

    run(check())


def test_a_request_may_wait_a_second_time(run):
    """What has waited for an engine, which then dies, waits for the next one."""

    async def check() -> None:
        async with Equals(2) as equals:
            nobody = Place("nobody", AwaitedEngine(STATUS), here=True)
            equals.engine.places = [nobody]
            equals.engines[0].hold()
            equals.begin("twice")
            await settle()
            equals.engine.places = [equals.places[0], nobody]
            await equals.engines[0].reached()
            equals.engine.places = [nobody]
            for reader in list(equals.engines[0]._readers.values()):
                reader.end(EngineUnavailable("It is gone."))
            await settle(0.15)
            assert not equals.reading[0].done()
            equals.engine.places = [equals.places[1], nobody]
            (final,) = await equals.painted()
            assert final.request.prompt == "twice" and equals.prompts(1) == ["twice"]

    run(check())


@pytest.mark.parametrize("silence", [NotTaken, EngineHung])
def test_one_that_was_silent_for_a_while_is_asked_again(run, silence: type[EngineUnavailable]):
    """Nobody else is there to paint it."""

    async def check() -> None:
        async with Equals(1) as equals:
            (silent,) = equals.places
            silent.breaker = Breaker(pause=0.1)
            equals.engine.places = [silent, Place("nobody", AwaitedEngine(STATUS), here=True)]
            equals.engines[0].hold()
            equals.begin("waits")
            await equals.engines[0].reached()
            for reader in list(equals.engines[0]._readers.values()):
                reader.end(silence("It has said nothing for too long."))
            (final,) = await equals.painted()
            assert final.request.prompt == "waits"
            assert equals.prompts(0) == ["waits", "waits"]

    run(check())


def test_who_waits_in_vain_is_told_why(run):
    async def check() -> None:
        async with Equals(1) as equals:
            awaited = AwaitedEngine(STATUS)
            equals.engine.places = [Place("The cluster", awaited, here=True)]
            equals.begin("waits")
            await settle()
            awaited.tell(1, "No engine could be started: weights are missing.")
            with pytest.raises(EngineUnavailable, match="weights are missing"):
                await equals.reading[0]
            equals.reading.clear()
            assert equals.engine.status().state == "failed"
            awaited.tell(1)
            assert equals.engine.status().state == "loading"

    run(check())
