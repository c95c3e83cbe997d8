"""The handover: the contract in each phase, and what happens between them."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from lightning_demo.engine import build as module
from lightning_demo.engine.base import Work
from lightning_demo.engine.build import about, build_engine
from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.engine.local import LocalEngine
from lightning_demo.engine.standby import StandbyEngine
from lightning_demo.errors import CheckpointError, DeviceLost, EngineUnavailable
from lightning_demo.model.weights.checkpoints import MINIATURE, SDXL_LIGHTNING
from lightning_demo.model.weights.model_spec import ModelSpec
from lightning_demo.schemas import GenerationRequest
from lightning_demo.settings import Settings

from .contract import EngineContract
from .moments import settle
from .observed import ObservedSampler, Tab, collect, known_latencies

# Another model, painted by the miniature's weights at sizes of its own.
LARGE = replace(
    MINIATURE,
    name="large",
    title="Large",
    sizes=((320, 320), (480, 320), (320, 480)),
    min_side=128,
    max_side=512,
)
MISSING = "unet.safetensors is missing."


class Model:
    """One model that is loaded, or fails to, when the test says so."""

    def __init__(self, components: Any, family: ModelSpec = MINIATURE) -> None:
        self.family = family
        self.sampler = ObservedSampler(replace(components, spec=family))
        self._told = threading.Event()
        self._fault: Exception | None = None

    def arrive(self) -> None:
        """The model is there."""
        self._told.set()

    def fail(self) -> None:
        """The model cannot be had."""
        self._fault = CheckpointError(MISSING)
        self._told.set()

    def engine(self, cache: FrameCache | None = None) -> CachedEngine:
        """An engine that loads it; without a cache every request reaches the model."""
        local = LocalEngine(
            self._load,
            about(self.family),
            latency_model=known_latencies(),  # measuring takes seconds and proves nothing here
            idle_seconds=3600.0,
        )
        self._local = weakref.ref(local)  # a stand-in is to be forgotten
        return CachedEngine(local, FrameCache(0) if cache is None else cache)

    async def told_to_stop(self) -> None:
        """Waits until its engine takes no further step."""
        while (local := self._local()) is not None and not local._closing:
            await settle()

    def _load(self, report: Callable[[float, str], None]) -> ObservedSampler:
        report(0.25, "Downloading")
        self._told.wait(60)
        if self._fault is not None:
            raise self._fault
        return self.sampler


class Pair:
    """A handover between two models."""

    def __init__(self, components: Any, wanted: ModelSpec = LARGE) -> None:
        self.wanted = Model(components, wanted)
        self.small = Model(components)
        self.engine = StandbyEngine(self.wanted.engine(), self.small.engine)

    async def until(self, state: str, model: str, loading_model: str = "") -> None:
        """Waits until the handover says so."""
        while True:
            status = self.engine.status()
            if (status.state, status.model, status.loading_model) == (state, model, loading_model):
                return
            await settle()

    async def stand_in(self) -> None:
        """The stand-in is there, the wanted model is not."""
        self.small.arrive()
        await self.until("ready", "miniature", self.wanted.family.name)
        self.small.sampler.steps.clear()

    async def fail(self) -> None:
        """The stand-in is there, the wanted model never will be."""
        await self.stand_in()
        self.wanted.fail()
        await self.until("ready", "miniature")

    async def take_over(self) -> None:
        """The wanted model is there, the stand-in is gone."""
        await self.stand_in()
        self.wanted.arrive()
        await self.until("ready", self.wanted.family.name)
        while any(thread.name == "standby" for thread in threading.enumerate()):
            await settle()
        self.wanted.sampler.steps.clear()

    async def aclose(self) -> None:
        for model in (self.wanted, self.small):
            model.arrive()
            model.sampler.release()
        await self.engine.aclose()


@asynccontextmanager
async def opened(components: Any, wanted: ModelSpec = LARGE) -> AsyncIterator[Pair]:
    pair = Pair(components, wanted)
    try:
        yield pair
    finally:
        await pair.aclose()


class TestStandingIn(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any):
        @asynccontextmanager
        async def phase():
            async with opened(components, replace(MINIATURE, name="wanted")) as pair:
                await pair.stand_in()
                yield pair.engine, pair.small.sampler

        return phase


class TestWithoutTheWantedModel(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any):
        @asynccontextmanager
        async def phase():
            async with opened(components, replace(MINIATURE, name="wanted")) as pair:
                await pair.fail()
                yield pair.engine, pair.small.sampler

        return phase


class TestTakenOver(EngineContract):
    @pytest.fixture
    def open_engine(self, components: Any):
        @asynccontextmanager
        async def phase():
            async with opened(components, replace(MINIATURE, name="wanted")) as pair:
                await pair.take_over()
                yield pair.engine, pair.wanted.sampler

        return phase


def large(prompt: str = "a red house", **fields: Any) -> GenerationRequest:
    """A request as the wanted model's page makes it."""
    return GenerationRequest.parse({"prompt": prompt, "seed": 7, **fields}, LARGE.limits)


def test_nobody_waits_for_the_wanted_model(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            early = asyncio.ensure_future(collect(pair.engine, large()))
            await settle()
            assert pair.engine.status().state == "loading" and not early.done()
            pair.small.arrive()
            assert (await early)[-1].model == "miniature"
            status = pair.engine.status()
            assert (status.state, status.model, status.title) == ("ready", "miniature", "Miniature")
            assert (status.loading_model, status.loading_title) == ("large", "Large")
            assert (status.progress, status.detail) == (0.25, "Downloading")

    run(check())


def test_it_changes_over_between_two_pictures(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            await pair.stand_in()
            before = await collect(pair.engine, large())
            await pair.take_over()
            after = await collect(pair.engine, large())
            assert {frame.model for frame in before} == {"miniature"}
            assert {frame.model for frame in after} == {"large"}
            assert (before[-1].size, after[-1].size) == ((256, 256), (320, 320))
            assert before[-1].request == after[-1].request == large()
            status = pair.engine.status()
            assert (status.loading_model, status.detail, status.progress) == ("", "", None)

    run(check())


def test_the_stand_in_paints_its_own_size_of_the_shape_and_remarks_nothing(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            await pair.stand_in()
            final = (await collect(pair.engine, large(width=480, height=320)))[-1]
            assert (final.size, final.notes) == ((384, 256), ())

    run(check())


def test_no_request_comes_too_late_or_too_early(run, components, ask):
    """What either model's page may ask for is taken and painted in every phase."""

    async def check() -> None:
        async with opened(components) as pair:
            limits = pair.engine.status().limits
            fields = [large(width=480, height=320).as_dict(), ask(width=384, height=256).as_dict()]
            for phase, size in (
                (pair.stand_in, (384, 256)),
                (pair.take_over, (480, 320)),
            ):
                await phase()
                assert pair.engine.status().limits == limits
                for each in fields:
                    request = GenerationRequest.parse(each, pair.engine.status().limits)
                    assert (await collect(pair.engine, request))[-1].size == size

    run(check())


def test_what_is_on_its_way_is_painted_by_the_wanted_model(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            await pair.stand_in()
            pair.small.sampler.hold()
            running = asyncio.ensure_future(collect(pair.engine, large("running")))
            await pair.small.sampler.reached()
            waiting = asyncio.ensure_future(collect(pair.engine, large("waiting")))
            while not pair.engine.status().waiting:
                await settle()
            pair.wanted.arrive()
            await pair.until("ready", "large")
            new = await collect(pair.engine, large("new"))
            assert new[-1].model == "large"
            moved = await waiting  # before the small one could take a step of it
            pair.small.sampler.release()
            for frames in (await running, moved):
                steps = [frame.step for frame in frames]
                assert steps == sorted(steps)
                assert [frame.final for frame in frames].count(True) == 1
                assert (frames[-1].model, frames[-1].size) == ("large", (320, 320))
            assert "waiting" not in pair.small.sampler.steps

    run(check())


def test_when_the_wanted_model_is_lost_another_stands_in(run, components):
    """A card that falls off the bus in service: the page keeps painting."""

    async def check() -> None:
        async with opened(components) as pair:
            await pair.take_over()
            pair.wanted.sampler.hold()
            running = asyncio.ensure_future(collect(pair.engine, large("running")))
            await pair.wanted.sampler.reached()
            pair.wanted.sampler.end = DeviceLost("The device has stopped working.")
            pair.wanted.sampler.release()
            assert (await running)[-1].model == "miniature"
            status = pair.engine.status()
            assert (status.state, status.model) == ("ready", "miniature")
            assert status.detail == (
                "Miniature goes on without Large: The device has stopped working."
            )
            assert (await collect(pair.engine, large("later")))[-1].final

    run(check())


CARRIED = large("carried over", num_inference_steps=2, width=480, height=320)


@asynccontextmanager
async def carried_over(pair: Pair, begin: Callable[[], object]) -> AsyncIterator[None]:
    """What `begin` asks for was painted by the stand-in and waits for the wanted model inside.

    The wanted model holds a step of "first"; "later" came to it before.
    """
    await pair.stand_in()
    pair.small.sampler.hold()
    begin()
    await pair.small.sampler.reached()
    pair.wanted.arrive()
    await pair.until("ready", "large")
    # A moment later: released before, the stand-in would finish the picture itself.
    await pair.small.told_to_stop()
    pair.wanted.sampler.hold()
    others = []
    for prompt, (width, height) in (("first", (320, 320)), ("later", (320, 480))):
        one = large(prompt, num_inference_steps=1, width=width, height=height)
        others.append(asyncio.ensure_future(collect(pair.engine, one)))
        await pair.wanted.sampler.reached()
    for waiting in (1, 2):
        while pair.engine.status().waiting < waiting:
            await settle()
        pair.small.sampler.release()
    yield
    pair.wanted.sampler.release()
    await asyncio.gather(*others)
    order = list(dict.fromkeys(pair.wanted.sampler.steps))
    assert order == ["first", "carried over", "later"], "it keeps its place"


def test_what_is_carried_over_says_that_it_waits_again_and_keeps_its_place(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            kinds: list[str] = []

            async def read() -> None:
                async with aclosing(pair.engine.generate(Work(CARRIED))) as values:
                    async for value in values:
                        kinds.append(type(value).__name__)

            reading: list[asyncio.Task[None]] = []
            async with carried_over(pair, lambda: reading.append(asyncio.ensure_future(read()))):
                assert kinds[0] == "Started" and kinds[-1] == "Requeued"
            await reading[0]
            assert kinds.count("Requeued") == 1 and kinds[-1] == "Frame"

    run(check())


def test_a_session_knows_that_what_was_carried_over_waits_again(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            tab = Tab(pair.engine)
            async with carried_over(pair, lambda: tab.session.submit(0, CARRIED)):
                forecast = tab.session.forecast()
                assert forecast is not None and forecast.ahead == 0
            assert (await tab.answer(0)).frame.model == "large"
            assert tab.session.forecast() is None
            await tab.close()

    run(check())


def test_the_stand_in_leaves_no_cache_behind(run, components):
    async def check() -> None:
        wanted, made = Model(components, LARGE), []

        def stand_in() -> CachedEngine:
            small = Model(components)
            made.append(weakref.ref(small.sampler))
            small.arrive()
            return small.engine()

        engine = StandbyEngine(wanted.engine(), stand_in)
        while engine.status().state != "ready":
            await settle()
        assert (await collect(engine, large()))[-1].model == "miniature"
        gc.collect()
        (left,) = made
        assert left() is not None
        gc.disable()  # nobody else is to do the handover's work
        try:
            wanted.arrive()
            while any(thread.name == "standby" for thread in threading.enumerate()):
                await settle()
        finally:
            gc.enable()
        assert left() is None
        await engine.aclose()

    run(check())


def test_pictures_of_the_stand_in_are_not_remembered_for_the_other(run, components):
    async def check() -> None:
        # Under one name, so that nothing but where the memories are keeps them apart.
        wanted, small = Model(components, replace(LARGE, name="miniature")), Model(components)
        engine = StandbyEngine(
            wanted.engine(FrameCache(2**24)), lambda: small.engine(FrameCache(2**24))
        )
        small.arrive()
        while engine.status().state != "ready":
            await settle()
        first = (await collect(engine, large()))[-1]
        assert (await collect(engine, large()))[-1].cached
        wanted.arrive()
        while engine.status().title != "Large":
            await settle()
        second = (await collect(engine, large()))[-1]
        assert not second.cached and second.size != first.size
        assert (await collect(engine, large()))[-1].cached
        await engine.aclose()

    run(check())


def test_when_the_wanted_model_fails_the_stand_in_goes_on_and_says_why(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            await pair.fail()
            assert (await collect(pair.engine, large()))[-1].model == "miniature"
            status = pair.engine.status()
            assert status.detail == f"Miniature goes on without Large: {MISSING}"
            assert (status.state, status.loading_model, status.progress) == ("ready", "", None)

    run(check())


def test_when_the_stand_in_fails_the_wanted_model_is_waited_for(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            early = asyncio.ensure_future(collect(pair.engine, large()))
            pair.small.fail()
            await pair.until("loading", "large")
            assert pair.engine.status().detail == "Downloading" and not early.done()
            pair.wanted.arrive()
            assert (await early)[-1].model == "large"

    run(check())


def test_when_both_fail_both_are_told(run, components):
    async def check() -> None:
        async with opened(components) as pair:
            early = asyncio.ensure_future(collect(pair.engine, large()))
            pair.wanted.fail()
            pair.small.fail()
            with pytest.raises(EngineUnavailable, match=r"unet\.safetensors is missing"):
                await early
            await pair.until("failed", "large")
            detail = pair.engine.status().detail
            assert detail == f"{MISSING} Miniature cannot stand in: {MISSING}"

    run(check())


def test_closing_while_loading_waits_for_neither(run, components):
    async def check() -> None:
        pair = Pair(components)
        early = asyncio.ensure_future(collect(pair.engine, large()))
        while pair.engine.status().waiting == 0:
            await settle()
        await pair.engine.aclose()
        with pytest.raises(EngineUnavailable, match="stopped"):
            await early
        assert pair.engine.status().state == "closed"
        with pytest.raises(EngineUnavailable, match="stopped"):
            await collect(pair.engine, large())
        await pair.aclose()

    run(check())


def test_a_stand_in_without_a_step_count_is_a_mistake(run, components):
    async def check() -> None:
        few = replace(MINIATURE, checkpoints=MINIATURE.checkpoints[1:])
        models = Model(components, LARGE), Model(components, few)
        wanted, small = (model.engine() for model in models)
        with pytest.raises(ValueError, match=r"no checkpoint for \[1\] steps"):
            StandbyEngine(wanted, lambda: small)
        for model, engine in zip(models, (wanted, small), strict=True):
            model.arrive()
            await engine.aclose()

    run(check())


@settings(max_examples=12)
@given(st.lists(st.sampled_from(["word", "moment", "small", "wanted", "failure"]), max_size=8))
def test_whatever_comes_when_the_last_word_is_painted_by_who_is_ready(
    components: Any, events: list[str]
) -> None:
    async def check() -> None:
        async with opened(components) as pair:
            tab, number = Tab(pair.engine), 0
            fate = next((each for each in events if each in ("wanted", "failure")), "wanted")
            acts = {
                "small": pair.small.arrive,
                "wanted": pair.wanted.arrive if fate == "wanted" else lambda: None,
                "failure": pair.wanted.fail if fate == "failure" else lambda: None,
            }
            painter = ""
            for event in [*events, "word", "small", fate]:
                if event == "word":
                    number += 1
                    painter = pair.engine.status().model
                    tab.session.submit(number, large(f"word {number}", num_inference_steps=1))
                elif event == "moment":
                    await settle(0.02)
                else:
                    acts[event]()
                await settle(0)
            ready = "large" if fate == "wanted" else "miniature"
            await pair.until("ready", ready)
            if painter != ready:  # the page asks again when it is told of another model
                number += 1
                tab.session.submit(number, large("again", num_inference_steps=1))
            frame = (await tab.answer(number)).frame
            assert frame is not None
            assert frame.model == ready
            order = [event.sequence for event in tab.seen]
            assert order == sorted(order) and order[-1] == number
            await tab.close()

    asyncio.run(asyncio.wait_for(check(), 60))


def test_the_stand_in_is_built_only_for_a_model_that_has_to_be_fetched(run, monkeypatch, tmp_path):
    ink = tmp_path / "ink.safetensors"
    ink.touch()

    async def check() -> None:
        asked: list[tuple[str, str, str]] = []

        def nothing_loads(family: ModelSpec, settings: Settings, **_: Any) -> Any:
            def load(report: Any) -> Any:
                asked.append((family.name, settings.device, settings.lora))
                raise CheckpointError(MISSING)

            return load

        # What is loaded in which order is seen; nothing is downloaded.
        monkeypatch.setattr(module, "loader", nothing_loads)
        real = Settings(model="sdxl-lightning", device="cuda", lora=f"{ink}:0.5")
        for chosen, stand_in, kind in (
            (real, True, StandbyEngine),
            (real, False, CachedEngine),
            (Settings(model="miniature", device="cpu"), True, CachedEngine),
        ):
            asked.clear()
            engine = build_engine(chosen, stand_in=stand_in)
            assert type(engine) is kind
            while engine.status().state == "loading":
                await settle()
            assert engine.status().limits.sizes[0] in (SDXL_LIGHTNING.sizes[0], MINIATURE.sizes[0])
            expected = [("miniature", "cpu", "")] if kind is StandbyEngine else []
            expected.append((chosen.model, chosen.device, chosen.lora))
            told = engine.status()
            styles = told.weights.loras
            assert styles == ((("ink.safetensors", 0.5),) if told.model == real.model else ())
            assert asked == expected, "the stand-in loads first, and without the other's styles"
            await engine.aclose()

    run(check())


def test_the_same_request_is_the_same_picture_as_the_miniature_alone(run, components, ask):
    async def check() -> None:
        async with opened(components) as pair:
            await pair.stand_in()
            beside = (await collect(pair.engine, large("a cat")))[-1]
        sampler = ObservedSampler(components)
        row = sampler.begin(ask("a cat"))
        while not row.done:
            sampler.step([row])
        assert np.array_equal(beside.pixels, sampler.finish(row))

    run(check())
