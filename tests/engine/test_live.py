"""The live session where it is more than its rules: pausing, closing, drafting, waiting."""

from __future__ import annotations

import asyncio

from lightning_demo.engine.live import LiveSession
from lightning_demo.settings import Settings

from .observed import observed_engine, settle
from .test_promises import SETTINGS, Tab


def test_pause_stops_the_running_picture_and_forgets_the_next(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            tab = Tab(engine)
            sampler.hold()
            tab.session.submit(0, ask("running", num_inference_steps=8))
            await sampler.reached()
            tab.session.submit(1, ask("pending"))
            tab.session.pause()
            sampler.release()
            while not tab.session.idle:
                await settle()
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


def test_a_draft_is_followed_by_the_asked_picture(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            tab = Tab(engine, Settings(draft_above_ms=0.001, debounce_ms=0))
            for n in range(2):
                tab.session.submit(n, ask(f"word {n}", num_inference_steps=8))
                final = await tab.answer(n)
            assert final.frame.request.num_inference_steps == 8
            drafts = [
                event.frame
                for event in tab.seen
                if event.sequence == 1 and event.frame.request.num_inference_steps == 2
            ]
            assert drafts and not any(frame.final for frame in drafts)
            assert sampler.steps.count("word 1") == 2 + 8
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
            sampler.release()
            for tab in others:
                await tab.answer(0)
                await tab.close()
            idle.session.submit(2, ask("half word"))
            await idle.answer(2)
            assert "half wo" not in sampler.steps
            await idle.close()

    run(check())


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
