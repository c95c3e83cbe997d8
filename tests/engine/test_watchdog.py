"""A device that does not come back: noticed, told to everybody, and nothing waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from lightning_demo.engine import watchdog
from lightning_demo.engine.build import about
from lightning_demo.engine.local import LocalEngine
from lightning_demo.engine.watchdog import Watchdog
from lightning_demo.errors import EngineUnavailable
from lightning_demo.model.weights.checkpoints import MINIATURE

from .observed import ObservedSampler, collect, known_latencies, observed_engine

WORDS = r"has not answered for .* started again"


@asynccontextmanager
async def impatient(components: Any) -> Any:
    """An engine that is given a tenth of a second, and at least 20 of its longest calls."""
    options = {"hung_seconds": 0.1, "tick_seconds": 0.02}
    async with observed_engine(components, **options) as (engine, sampler):
        engine._core.latency_model.forget()  # a call is believed to take 20 ms a row
        yield engine, sampler


async def all_told(tasks: list[asyncio.Future[Any]]) -> None:
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, EngineUnavailable)
        with pytest.raises(EngineUnavailable, match=WORDS):
            raise result


def test_a_step_that_hangs_ends_the_engine_and_answers_everybody(run, components, ask):
    async def check() -> None:
        async with impatient(components) as (engine, sampler):
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask(f"{n}"))) for n in range(4)]
            await all_told(tasks)
            status = engine.status()
            assert (status.state, status.waiting) == ("failed", 0)
            with pytest.raises(EngineUnavailable, match=WORDS):
                await collect(engine, ask("too late"))
            begun = time.monotonic()
            await engine.aclose()
            assert time.monotonic() - begun < 5, "what hangs is not waited for"
            sampler.release()  # it comes back after all
            engine._thread.join(20)
            assert not engine._thread.is_alive()
            assert engine.status().state == "failed", "what has been said stays said"

    run(check())


def test_a_decoding_beside_that_hangs_is_noticed_too(run, components, ask):
    hangs = threading.Event()

    class Deaf(ObservedSampler):
        decodes_beside = True

        def may_decode_beside(self, rows: Any) -> bool:
            return True

        def finals(self, rows: Any) -> Any:
            hangs.wait(30)
            return super().finals(rows)

    async def check() -> None:
        sampler = Deaf(components)
        engine = LocalEngine(
            lambda report: sampler,
            about(MINIATURE),
            latency_model=known_latencies(),
            hung_seconds=0.1,
            tick_seconds=0.02,
        )
        await all_told([asyncio.ensure_future(collect(engine, ask("a boat")))])
        assert engine.status().state == "failed"
        hangs.set()
        await engine.aclose()

    run(check())


class Watched:
    """A watchdog on a clock of the test's own: each tick passes as many seconds as it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, expected: float | None, **options: Any):
        self.now, self.said = 0.0, list[str]()
        monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.dog = Watchdog(lambda: expected, self.said.append, tick_seconds=1.0, **options)

    def run(self, *ticks: float, beats: bool = False) -> list[str]:
        """What it has said after these ticks, each of so many seconds."""
        left = iter(ticks)

        def wait(seconds: float) -> bool:
            passed = next(left, None)
            if passed is None:
                return True
            self.now += passed
            if beats:
                self.dog.beat()
            return False

        self.dog._ended = SimpleNamespace(wait=wait)  # type: ignore[assignment]
        self.dog._watch()
        return self.said


def test_after_a_minute_of_silence_it_speaks_once(monkeypatch):
    assert Watched(monkeypatch, 0.02).run(*[1.0] * 59) == []
    (sentence,) = Watched(monkeypatch, 0.02).run(*[1.0] * 200)
    assert sentence.startswith("The device has not answered for 60 s;")


def test_slow_is_not_hung(monkeypatch):
    """A large model on a processor: a call takes half a minute, and twenty of them ten."""
    assert Watched(monkeypatch, 30.0).run(*[1.0] * 599) == []
    assert len(Watched(monkeypatch, 30.0).run(*[1.0] * 600)) == 1
    assert Watched(monkeypatch, 0.02).run(*[1.0] * 600, beats=True) == []


def test_nothing_is_silent_where_nothing_is_asked(monkeypatch):
    assert Watched(monkeypatch, None).run(*[1.0] * 600) == []


def test_a_machine_that_slept_has_not_hung(monkeypatch):
    """Hours may be between two ticks in which the device could not run, either."""
    assert Watched(monkeypatch, 0.02).run(1.0, 30_000.0, 1.0, -500.0, 20_000.0, 1.0) == []
