"""The local engine: the contract, its line, its loading."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from lightning_demo.engine.base import MAX_WAITING, Work
from lightning_demo.engine.build import about
from lightning_demo.engine.core import EngineCore
from lightning_demo.engine.local import WORKER_NAME, LocalEngine
from lightning_demo.engine.reader import Reader
from lightning_demo.errors import (
    CheckpointError,
    DeviceLost,
    EngineUnavailable,
    GenerationFailed,
    OutOfMemory,
)
from lightning_demo.model.weights.checkpoints import MINIATURE

from .contract import EngineContract
from .moments import settle
from .observed import ObservedSampler, collect, known_latencies, observed_engine


class TestContract(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any):
        return lambda: observed_engine(components)


def test_the_one_who_has_waited_longest_is_next(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask("running")))]
            await sampler.reached()
            since = time.monotonic()
            replaced = asyncio.ensure_future(collect(engine, ask("replaced"), since=since))
            await settle()
            tasks.append(asyncio.ensure_future(collect(engine, ask("second"))))
            await settle()
            replaced.cancel()
            await asyncio.gather(replaced, return_exceptions=True)
            tasks.append(asyncio.ensure_future(collect(engine, ask("kept"), since=since)))
            await settle()
            sampler.release()
            await asyncio.gather(*tasks)
            assert list(dict.fromkeys(sampler.steps)) == ["running", "kept", "second"]

    run(check())


def test_a_device_that_is_lost_ends_the_engine_and_answers_everybody(run, components, ask):
    """Nothing that is asked of it could ever be painted, so nobody is let to wait."""

    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask(f"{n}"))) for n in range(5)]
            await sampler.reached()
            await settle()

            def lost(row: object) -> None:
                if len(sampler.batches[-1]) == len(tasks):  # the first step may be of fewer
                    raise DeviceLost("The device has stopped working.")

            sampler.after_step = lost
            sampler.release()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(result, EngineUnavailable)
                assert str(result) == "The device has stopped working."
            assert engine.status().state == "failed"
            whole = [f"{n}" for n in range(5)]
            assert sorted(sampler.batches[-1]) == whole, "no half is tried again"

    run(check())


@pytest.mark.parametrize("end", [SystemExit, MemoryError, KeyboardInterrupt])
def test_an_engine_whose_thread_dies_says_so_and_answers_everybody(
    run, components, ask, end: type[BaseException]
):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask("running")))]
            await sampler.reached()
            tasks += [asyncio.ensure_future(collect(engine, ask(f"{n}"))) for n in range(3)]
            await settle()
            sampler.end = end("the device is gone")
            sampler.release()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(result, EngineUnavailable)
                assert "device is gone" in str(result)
            assert engine.status().state == "failed"
            assert engine.status().waiting == 0
            with pytest.raises(EngineUnavailable, match="device is gone"):
                await collect(engine, ask("too late"))

    run(check())


def test_an_engine_that_has_ended_holds_on_to_no_sampler(run, components, ask):
    async def check() -> None:
        sampler = ObservedSampler(components)
        held = weakref.ref(sampler)
        made = [sampler]
        engine = LocalEngine(
            lambda report: made.pop(), about(MINIATURE), latency_model=known_latencies()
        )
        del sampler
        assert (await collect(engine, ask("a boat")))[-1].final
        await engine.aclose()
        gc.collect()
        assert held() is None
        assert engine.status().state == "closed"

    run(check())


def test_what_fails_in_a_quiet_moment_ends_nothing(run, components, ask):
    tried = threading.Event()

    class Unlucky(ObservedSampler):
        def improve(self) -> bool:
            tried.set()
            raise OutOfMemory("No room for another graph.")

    async def check() -> None:
        sampler = Unlucky(components)
        engine = LocalEngine(
            lambda report: sampler,
            about(MINIATURE),
            latency_model=known_latencies(),
            idle_seconds=0.01,
        )
        assert (await collect(engine, ask("before")))[-1].final
        while not tried.is_set():
            await settle()
        assert (await collect(engine, ask("after")))[-1].final
        assert engine.status().state == "ready"
        await engine.aclose()

    run(check())


def test_what_got_faster_in_a_quiet_moment_is_measured_one_call_at_a_time(run, components, ask):
    """Nothing longer is begun between them, and the old figures serve until all are there."""
    latencies, size = known_latencies(), MINIATURE.sizes[0]
    known = {call for call in latencies if call[0] == "step"}
    seen: list[tuple[int, set[Any]]] = []

    class Faster(ObservedSampler):
        improved = 0

        @property
        def form(self) -> str:
            return "recorded" if self.improved else "eager"

        def improve(self) -> bool:
            self.improved += 1
            return self.improved == 1

        def step(self, rows: Any) -> None:
            seen.append((self.improved, {call for call in latencies if call[0] == "step"}))
            super().step(rows)

    async def check() -> None:
        sampler = Faster(components)
        engine = LocalEngine(
            lambda report: sampler, about(MINIATURE), latency_model=latencies, idle_seconds=0.01
        )
        while sampler.improved < 2:
            await settle()
        assert (await collect(engine, ask("a boat")))[-1].final
        await engine.aclose()

    run(check())
    measuring = [figures for improved, figures in seen if improved == 1]
    assert len(measuring) >= 2 and all(figures == known for figures in measuring)
    assert not known & {call for call in latencies if call[:2] == ("step", size)}


def test_the_line_is_bounded(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask("running")))]
            await sampler.reached()
            tasks += [asyncio.ensure_future(collect(engine, ask())) for _ in range(MAX_WAITING)]
            await settle()
            assert engine.status().waiting == MAX_WAITING
            with pytest.raises(EngineUnavailable, match="waiting already"):
                await collect(engine, ask("one too many"))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            sampler.release()
            assert (await collect(engine, ask("room again")))[-1].final

    run(check())


@pytest.mark.parametrize("prompt", ["a house", "poison"])
def test_a_request_that_is_painted_the_moment_it_is_admitted_is_answered(
    run, components, ask, monkeypatch, prompt: str
):
    """The loop may get no time between admitting a request and whatever comes next."""

    async def check() -> None:
        async with observed_engine(components) as (engine, sampler):
            # There is no public moment between admitting and waking the thread.
            admit = EngineCore.admit

            def admit_and_stall(core: EngineCore, *work: Any) -> Any:
                admitted = admit(core, *work)
                engine._wake.set()
                while core.in_flight:
                    time.sleep(0.001)
                time.sleep(0.05)  # for the telling
                return admitted

            monkeypatch.setattr(EngineCore, "admit", admit_and_stall)
            painting = collect(engine, ask(prompt))
            if prompt == "poison":
                with pytest.raises(GenerationFailed):
                    await painting
            else:
                assert (await painting)[-1].final

    run(check())


def test_requests_made_while_loading_are_painted_when_it_is_done(run, sampler, ask):
    async def check() -> None:
        loaded = threading.Event()

        def load(report: Any) -> Any:
            report(0.5, "Half way")
            loaded.wait(30)
            return sampler

        engine = LocalEngine(load, about(MINIATURE))
        early = asyncio.ensure_future(collect(engine, ask("early")))
        while engine.status().detail != "Half way":
            await settle()
        assert (engine.status().state, engine.status().progress) == ("loading", 0.5)
        assert not early.done()
        loaded.set()
        assert (await early)[-1].final
        assert (engine.status().state, engine.status().device) == ("ready", "cpu")
        await engine.aclose()

    run(check())


def test_a_model_that_cannot_be_loaded_says_why(run, ask):
    async def check() -> None:
        def load(report: Any) -> Any:
            raise CheckpointError("x.safetensors is missing.")

        engine = LocalEngine(load, about(MINIATURE))
        with pytest.raises(EngineUnavailable, match=r"x\.safetensors is missing"):
            await collect(engine, ask())
        assert engine.status().state == "failed"
        assert "x.safetensors" in engine.status().detail
        with pytest.raises(EngineUnavailable, match="x.safetensors"):
            await collect(engine, ask())
        await engine.aclose()

    run(check())


def test_clocks_that_jump_lose_nothing(run, components, ask, monkeypatch):
    """A machine that slept: everybody is served, and in turn. (The wall clock is never asked.)"""
    shift = 0.0
    # Only the engine's: the event loop has timers of its own.
    jumping = SimpleNamespace(
        monotonic=lambda: time.monotonic() + shift, perf_counter=lambda: time.perf_counter() + shift
    )
    for module in ("local", "reader", "runner"):
        monkeypatch.setattr(f"lightning_demo.engine.{module}.time", jumping)

    async def check() -> None:
        nonlocal shift
        async with observed_engine(components) as (engine, sampler):
            sampler.hold()
            tasks = [asyncio.ensure_future(collect(engine, ask("0", num_inference_steps=8)))]
            await sampler.reached()
            for n in range(1, 4):
                shift += 3600.0 * n
                tasks.append(asyncio.ensure_future(collect(engine, ask(str(n)))))
                await settle()
            assert engine.forecast(Work(ask("late"))).ahead == 3
            sampler.release()
            for frames in await asyncio.gather(*tasks):
                assert frames[-1].final
                assert all(value >= 0 for value in frames[-1].timings.values())
            first = list(dict.fromkeys(sampler.steps))
            assert first == ["0", "1", "2", "3"]

    run(check())


def test_closing_while_loading_does_not_wait_for_it(run, ask):
    async def check() -> None:
        loaded = threading.Event()

        def load(report: Any) -> Any:
            report(0.5, "Half way")
            loaded.wait(30)
            report(0.9, "Nearly there")
            raise CheckpointError("x.safetensors is missing.")

        engine = LocalEngine(load, about(MINIATURE))
        early = asyncio.ensure_future(collect(engine, ask("early")))
        while engine.status().waiting == 0:
            await settle()
        await engine.aclose()
        assert not loaded.is_set()
        with pytest.raises(EngineUnavailable, match="stopped"):
            await early
        closed = engine.status()
        assert (closed.state, closed.progress) == ("closed", None)
        loaded.set()
        for thread in threading.enumerate():
            if thread.name == WORKER_NAME:
                thread.join(5)
        assert engine.status() == closed, "whatever becomes of the loading"

    run(check())


def test_closing_waits_for_a_picture_beside_and_the_loop_goes_on(run, components, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            decoded = threading.Event()
            decoding = engine._decoder.submit(decoded.wait, 30)  # as `SamplerRunner` does
            closing = asyncio.ensure_future(engine.aclose())
            while engine.status().state != "closed":
                await settle()
            decoded.set()
            await closing
            assert decoding.done()

    run(check())


def test_closing_is_noticed_at_whatever_moment(run, components):
    """A race that only the engine's own event and flag can stage."""

    class Unlucky(threading.Event):
        """Somebody closes just before the thread forgets that it was woken."""

        closing: Any = None

        def clear(self) -> None:
            if self.closing is not None:
                self.closing()
            super().clear()

    async def check() -> None:
        async with observed_engine(components, idle_seconds=None) as (engine, _):
            woken, engine._wake = engine._wake, Unlucky()

            def close() -> None:
                engine._closing = True
                engine._wake.set()

            engine._wake.closing = close
            woken.set()
            begun = time.monotonic()
            while engine.status().state != "closed" and time.monotonic() < begun + 5:
                await settle()
            assert engine.status().state == "closed"

    run(check())


def test_what_is_read_in_a_loop_that_is_gone_is_dropped(components, ask):
    """Nobody closes the streams of a loop that ends without a word."""
    others = readers()  # of tests before
    sampler = ObservedSampler(components)
    engine = LocalEngine(lambda report: sampler, about(MINIATURE), latency_model=known_latencies())
    while engine.status().state == "loading":
        time.sleep(0.01)
    sampler.steps.clear()
    loop = asyncio.new_event_loop()
    stream = engine.generate(Work(ask("nobody's", num_inference_steps=8)))
    sampler.hold()
    reading = loop.create_task(anext(stream))
    assert loop.run_until_complete(reading)  # it has started
    loop.run_until_complete(sampler.reached())
    loop.close()
    sampler.hold_at(1)  # by the next step, it is known that nobody reads
    while not all(reader.closed for reader in tuple(engine._readers.values())):
        time.sleep(0.01)
    sampler.release()

    async def next_one() -> None:
        await collect(engine, ask("next", num_inference_steps=8))  # they would share all steps
        await engine.aclose()

    asyncio.run(next_one())
    assert sampler.steps.count("nobody's") < 4
    del stream, reading
    gc.collect()
    assert [each for each in readers() if each not in others] == []


def readers() -> list[Reader]:
    return [each for each in gc.get_objects() if type(each) is Reader]


def test_it_gets_faster_only_while_nobody_waits(run, components, ask):
    """Improvements happen on the device's thread, between pictures, until none is left."""
    seen: list[str] = []

    class Learner(ObservedSampler):
        left = 3

        @property
        def tier(self) -> str:
            return f"compiled {3 - self.left}/3"

        def improve(self) -> bool:
            if not self.left:
                return False
            self.left -= 1
            self.threads.add(threading.get_ident())
            seen.append("improve")
            return True

        def step(self, rows: Any) -> None:
            super().step(rows)
            seen.append(rows[0].request.prompt)

    async def check() -> None:
        sampler = Learner(components)
        sampler.hold()
        engine = LocalEngine(lambda report: sampler, about(MINIATURE), idle_seconds=0.01)
        waiting = [asyncio.ensure_future(collect(engine, ask(str(n)))) for n in range(3)]
        while len(engine._readers) < 3:
            await settle()
        sampler.release()
        await asyncio.gather(*waiting)
        while engine.status().tier != "compiled 3/3":
            await settle()
        assert (await collect(engine, ask("after")))[-1].final
        await engine.aclose()
        assert len(sampler.threads) == 1 and sampler.overlaps == 0
        steps = [what for what in seen if what in "012"]
        assert seen.index("improve") > seen.index(steps[-1])
        assert seen.count("improve") == 3

    run(check())
