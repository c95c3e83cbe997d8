"""The live session where it is more than its rules: pausing, closing, drafting, waiting."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lightning_demo.bench.simulation.device_model import linear
from lightning_demo.bench.simulation.engine import SimulatedEngine
from lightning_demo.bench.simulation.virtual_loop import run_virtual
from lightning_demo.engine import policy
from lightning_demo.engine.base import Engine, Forecast, Stream, Work
from lightning_demo.engine.session import LiveSession
from lightning_demo.errors import GenerationFailed
from lightning_demo.schemas import EngineStatus, GenerationRequest
from lightning_demo.settings import Settings

from .moments import settle
from .observed import SETTINGS, Tab, collect, observed_engine

SMALL = (128, 128)  # px


def test_pause_stops_the_running_picture_and_forgets_the_next(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            tab = Tab(engine)
            sampler.hold()
            tab.session.submit(0, ask("running", num_inference_steps=8))
            await sampler.reached()
            tab.session.submit(1, ask("pending"))
            tab.session.pause()
            while not tab.session.idle:
                await settle()
            sampler.release()
            await settle(0.05)
            assert sampler.steps.count("running") <= 1 and "pending" not in sampler.steps
            tab.session.submit(2, ask("again"))
            assert (await tab.answer(2)).frame.final
            await tab.close()

    run(check())


def test_closing_in_the_middle_of_a_picture_frees_the_engine(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            tab = Tab(engine)
            sampler.hold()
            tab.session.submit(0, ask("running", num_inference_steps=8))
            await sampler.reached()
            await tab.close()
            tab.session.submit(1, ask("after the end"))
            sampler.release()
            other = Tab(engine)
            other.session.submit(0, ask("other"))
            await other.answer(0)
            assert sampler.steps.count("running") <= 1 and "after the end" not in sampler.steps
            await other.close()

    run(check())


class Broken:
    """Another engine with a fault of its own at the end of every stream."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.started = asyncio.Event()

    def status(self) -> EngineStatus:
        return self._engine.status()

    async def generate(self, work: Work) -> Stream:
        try:
            async for value in self._engine.generate(work):
                self.started.set()
                yield value
        finally:
            raise ValueError("secret: /home/me/key")


def test_a_fault_of_the_engine_is_told_in_words(run, components, ask, caplog):
    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            tab = Tab(Broken(engine))
            tab.session.submit(0, ask("poison"))
            error = (await tab.answer(0)).error
            assert isinstance(error, GenerationFailed) and "secret" not in error.message
            assert tab.session.idle
            await tab.close()

    run(check())
    assert "secret" in caplog.text, "for whoever reads the log"


def test_an_engine_that_fails_to_stop_does_not_keep_a_session_from_closing(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            broken = Broken(engine)
            tab = Tab(broken)
            sampler.hold()
            tab.session.submit(0, ask("running", num_inference_steps=8))
            await broken.started.wait()
            await tab.close()

    run(check())


def test_superseding_before_the_turn_has_begun(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            tab = Tab(engine)
            tab.session.submit(0, ask("never seen"))
            tab.session.submit(1, ask("seen"))
            assert (await tab.answer(1)).frame.request.prompt == "seen"
            assert "never seen" not in sampler.steps
            await tab.close()

    run(check())


@pytest.fixture
def always_typing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has submitted once is typing from then on, however slow the machine is.

    The rules' seconds are nobody's to choose but in tests.
    """
    monkeypatch.setattr(policy, "BURST_GAP", 3600.0)
    monkeypatch.setattr(policy, "SILENCE", 3600.0)


class Foretold:
    """An engine that says it takes a second a step, and a second more for a whole picture."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.aclose = engine.aclose
        self.drafts: list[GenerationRequest] = []

    def status(self) -> EngineStatus:
        """Of a model that has a smaller size."""
        status = self._engine.status()
        sizes = (*status.limits.sizes, SMALL)
        return replace(status, limits=replace(status.limits, sizes=sizes))

    def forecast(self, work: Work) -> Forecast:
        steps = work.request.num_inference_steps
        quick = work.draft and steps == 2  # in a tenth of what its steps take in a longer run
        return Forecast(0, 0.0, 0.2 if quick else steps + (0.0 if work.draft else 1.0))

    def generate(self, work: Work) -> Stream:
        if work.draft:
            self.drafts.append(work.request)
        return self._engine.generate(work)


def test_a_draft_is_followed_by_the_asked_picture(run, components, ask, always_typing):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            foretold = Foretold(engine)
            tab = Tab(foretold, Settings(latency_budget=2500, debounce_ms=0))
            for n in range(2):
                tab.session.submit(n, ask(f"word {n}", num_inference_steps=8))
                final = await tab.answer(n)
            assert final.frame.request == ask("word 1", num_inference_steps=8)
            assert final.budget is None
            drafts = [event for event in tab.seen if event.sequence == 1 and event is not final]
            width, height = SMALL
            small = ask("word 1", num_inference_steps=2, width=width, height=height)
            assert foretold.drafts == [small]
            assert drafts[0].frame.request == foretold.drafts[0]
            assert drafts[0].budget == 2500
            assert not any(event.frame.final for event in drafts)
            assert all(e.frame.step >= 6 for e in drafts if e.budget is None), "no step back"
            assert sampler.steps.count("word 1") == 2 + 8
            plain = (await collect(engine, final.frame.request))[-1]
            assert plain.data == final.frame.data, "what stays does not depend on the draft"
            await tab.close()

    run(check())


def test_the_budget_can_be_changed_and_switched_off(run, components, ask, always_typing):
    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            foretold = Foretold(engine)
            tab = Tab(foretold, Settings(latency_budget=0, debounce_ms=0))
            for n, budget in enumerate((None, None, 2500, None, 0, None)):
                tab.session.submit(n, ask(f"word {n}", num_inference_steps=8), budget)
                await tab.answer(n)
            drafted = [(each.prompt, each.num_inference_steps) for each in foretold.drafts]
            assert drafted == [("word 2", 2), ("word 3", 2)]
            await tab.close()

    run(check())


def test_a_draft_in_line_becomes_the_picture_when_typing_pauses(
    run, components, ask, always_typing, monkeypatch
):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            foretold = Foretold(engine)
            tab = Tab(foretold, Settings(latency_budget=2500, debounce_ms=0))
            sampler.hold()
            ahead = [asyncio.ensure_future(collect(engine, ask(f"{n}"))) for n in range(9)]
            await sampler.reached()
            for n in range(2):
                tab.session.submit(n, ask(f"word {n}", num_inference_steps=8))
            while not foretold.drafts:
                await settle()
            while engine.status().waiting < 2:  # eight others share the step that is held
                await settle()
            monkeypatch.setattr(policy, "SILENCE", 0.0)
            tab.session._advance()  # as the session's own timer would
            while tab.session._waiting.draft:
                await settle()
            sampler.release()
            await tab.answer(1)
            assert sampler.steps.count("word 1") == 8, "no step for a draft"
            await asyncio.gather(*ahead)
            await tab.close()

    run(check())


def test_the_debounce_waits_only_while_others_keep_the_engine_busy(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            settings = Settings(debounce_ms=2000)
            idle = Tab(engine, settings)
            idle.session.submit(0, ask("at once"))
            await idle.answer(0)
            sampler.hold()
            others = [Tab(engine, SETTINGS) for _ in range(5)]
            for n, tab in enumerate(others):
                tab.session.submit(0, ask(f"other {n}"))
                await sampler.reached()  # the first is on the device, the others wait
            while engine.status().waiting < 4:
                await settle()
            idle.session.submit(1, ask("half wo"))
            await settle(0.05)
            assert engine.status().waiting == 4, "held back for the next key"
            idle.session.submit(2, ask("half word"))
            sampler.release()
            for tab in others:
                await tab.answer(0)
                await tab.close()
            await idle.answer(2)
            assert "half wo" not in sampler.steps
            await idle.close()

    run(check())


def test_who_has_stopped_typing_says_so_to_the_queue(ask):
    """On a virtual clock: two stand in line, one of them types on for a second."""
    claims: list[tuple[float, str]] = []

    class Told(SimulatedEngine):
        def amend(self, work: Work, amended: Work) -> None:
            assert amended == replace(work, paused=True)
            claims.append((round(asyncio.get_running_loop().time(), 3), work.request.prompt))
            super().amend(work, amended)

    async def check() -> None:
        engine = Told(linear("slow", 256, (1000, 1000), 10, 1))
        tabs = {name: LiveSession(engine, SETTINGS) for name in ("first", "still", "typing")}
        tabs["first"].submit(0, ask("first", width=256, height=256))
        await asyncio.sleep(0.01)
        tabs["still"].submit(0, ask("still", width=256, height=256))
        for key in range(6):
            tabs["typing"].submit(key, ask(f"typing {key}", width=256, height=256))
            await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        for tab in tabs.values():
            await tab.aclose()

    run_virtual(check())
    assert claims == [(0.01 + policy.SILENCE, "still"), (1.01 + policy.SILENCE, "typing 5")]


def test_events_of_a_closed_session_end(run, components):
    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            session = LiveSession(engine, SETTINGS)
            reading = asyncio.ensure_future(_list(session))
            await settle()
            await session.aclose()
            assert await reading == []

    async def _list(session: LiveSession) -> list:
        return [event async for event in session.events()]

    run(check())
