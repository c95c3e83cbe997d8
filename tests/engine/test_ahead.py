"""Guesses at what will be asked for: nobody waits a moment longer for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from lightning_demo.engine import ahead
from lightning_demo.engine.base import Work, final_frame
from lightning_demo.engine.cached import CachedEngine, FrameCache
from lightning_demo.engine.metrics import Metrics
from lightning_demo.engine.previews import NOTICED
from lightning_demo.errors import EngineUnavailable, Interrupted
from lightning_demo.schemas import GenerationRequest
from tests.web.fakes import LIMITS, FakeEngine

from .core_bench import Bench
from .moments import settle
from .observed import Tab, collect, known_latencies, observed_engine

# The core -----------------------------------------------------------------------------------------


@pytest.fixture
def bench(ask: Callable[..., Any]) -> Bench:
    return Bench(ask, known_latencies())


def decoded(bench: Bench) -> None:
    bench.device.beside[-1][1].set_result(bench.device.pictures(1))
    bench.step()


def test_guesses_get_the_steps_in_which_nothing_is_wanted(bench: Bench):
    bench.admit("guess", ahead=True, num_inference_steps=2)
    bench.admit("wanted", num_inference_steps=2)
    bench.step(2)
    assert bench.device.steps == ["wanted", "wanted"]
    decoded(bench)
    assert bench.finals == ["wanted"] and bench.device.steps[2:] == ["guess"]
    bench.step()
    decoded(bench)
    assert bench.painted[-1] == ("guess", 2, True), "and no preview of it"
    assert bench.device.asked == [True, False], "no calls get faster for a guess"


def test_guesses_wait_alone_and_in_nobodys_line(bench: Bench):
    for number in range(3):
        bench.admit(f"guess {number}", ahead=True)
    assert bench.core.waiting == 0 and not bench.core.idle
    forecast = bench.core.forecast(bench.work("wanted"), 0.0)
    assert (forecast.ahead, forecast.wait) == (0, 0)
    bench.step()
    assert bench.device.steps == ["guess 0"]


def test_who_comes_interrupts_the_step_of_a_guess(bench: Bench):
    """The device says that it was interrupted, or has already finished the step."""
    guess = bench.admit("guess", ahead=True, num_inference_steps=4)

    def interrupt() -> None:
        bench.device.during_step = lambda: None
        bench.admit("wanted", num_inference_steps=1)
        raise Interrupted

    bench.device.during_step = interrupt
    bench.step()
    assert bench.device.interrupted == ["unet"] and guess.step == 0
    bench.step()
    decoded(bench)
    assert bench.finals == ["wanted"] and not bench.failed
    bench.step(3)
    decoded(bench)
    assert bench.finals == ["wanted", "guess"]


def test_an_interruption_that_comes_too_late_costs_a_step_at_most(bench: Bench):
    bench.admit("wanted", num_inference_steps=1)

    def late() -> None:
        bench.device.during_step = lambda: None
        raise Interrupted

    bench.device.during_step = late
    bench.step(2)
    decoded(bench)
    assert bench.finals == ["wanted"] and not bench.failed


def test_a_guess_that_becomes_wanted_goes_on_from_where_it_is(bench: Bench):
    work = bench.work("right", ahead=True, num_inference_steps=4)
    guess = bench.core.request(work, 0.0)
    bench.core.admit(guess)
    bench.step(2)
    assert bench.core.amend(work, replace(work, ahead=False)) is guess
    bench.admit("guess", ahead=True)
    bench.step(2)
    assert bench.device.steps == ["right"] * 4
    assert bench.painted[0] == ("right", 3, False), "somebody sees it now"
    decoded(bench)
    assert bench.finals == ["right"]


def test_what_nobody_wants_any_more_but_a_guess_is_one_again(bench: Bench):
    work = bench.work("a", num_inference_steps=4)
    request = bench.core.request(work, 0.0)
    bench.core.admit(request)
    bench.step()
    bench.core.amend(work, replace(work, ahead=True))
    bench.admit("wanted", num_inference_steps=1)
    bench.step()
    assert bench.device.steps == ["a", "wanted"]


def test_a_guess_that_becomes_wanted_as_it_ends_takes_no_step_more(bench: Bench):
    """`amend` runs in another thread: it may find a request in the queue that has just left it."""
    for steps, prompt in ((1, "decoded"), (2, "stepped")):
        guess = bench.admit(prompt, ahead=True, num_inference_steps=steps)
        bench.step(steps)
        if prompt == "decoded":
            decoded(bench)
        guess.work = replace(guess.work, ahead=False)
        bench.core._queue.add(guess)
        bench.step(2)
    assert bench.device.steps == ["decoded", "stepped", "stepped"]
    assert not bench.failed


def test_the_decoder_is_given_up_to_whoever_comes(bench: Bench):
    bench.admit("guess", ahead=True, num_inference_steps=1)
    bench.step()
    (prompts, decoding) = bench.device.beside[0]
    bench.admit("wanted", num_inference_steps=1)
    bench.step()
    assert bench.device.interrupted == ["decoder"]
    decoding.set_exception(Interrupted())
    bench.step()
    assert [prompts for prompts, _ in bench.device.beside] == [["guess"], ["wanted"]]
    decoded(bench)
    assert bench.device.beside[-1][0] == ["guess"], "its turn comes again"
    decoded(bench)
    assert bench.finals == ["wanted", "guess"] and bench.core.idle


def test_no_weights_are_brought_for_a_guess(bench: Bench):
    bench.admit("guess", ahead=True)
    bench.device.resident = False
    with pytest.raises(EngineUnavailable):
        bench.admit("another", ahead=True)
    bench.step()
    assert bench.failed == ["guess"] and bench.core.idle and not bench.device.steps
    bench.admit("wanted", num_inference_steps=1)
    bench.step()
    assert bench.device.steps == ["wanted"]


def test_a_page_plays_by_itself_also_where_calls_take_long(bench: Bench):
    bench.core.latency_model.calibrate("step", (256, 256), 1, 2 * NOTICED)
    with pytest.raises(EngineUnavailable):
        bench.admit("guess", ahead=True)
    bench.admit("played", ahead=True, attract=True)
    bench.admit("asked")
    bench.step(8)
    assert bench.device.steps == ["asked"] * 4 + ["played"] * 4
    bench.device.resident = False
    with pytest.raises(EngineUnavailable):
        bench.admit("played", ahead=True, attract=True)


@pytest.mark.parametrize("kind", ["step", "decoder"])
def test_nothing_is_guessed_where_a_call_would_be_noticed(
    ask: Callable[..., Any], kind: Literal["step", "decoder"]
):
    latencies = known_latencies()
    latencies.calibrate(kind, LIMITS.sizes[0], 1, 0.2)
    bench = Bench(ask, latencies)
    with pytest.raises(EngineUnavailable):
        bench.admit("guess", ahead=True)
    bench.admit("wanted")


def test_a_guess_that_becomes_wanted_interrupts_another(bench: Bench):
    work = bench.work("right", ahead=True)
    right = bench.core.request(work, 0.0)

    def become_wanted() -> None:
        bench.device.during_step = lambda: None
        bench.core.admit(right)
        assert not bench.device.interrupted, "a guess makes no way for a guess"
        bench.core.amend(work, replace(work, ahead=False))

    bench.admit("guess", ahead=True)
    bench.device.during_step = become_wanted
    bench.step()
    assert bench.device.interrupted == ["unet"]
    bench.step()
    assert bench.device.steps == ["guess", "right"]


def test_a_step_that_has_become_wanted_is_not_interrupted(bench: Bench):
    work = bench.work("right", ahead=True)
    bench.core.admit(bench.core.request(work, 0.0))

    def become_wanted() -> None:
        bench.device.during_step = lambda: None
        bench.core.amend(work, replace(work, ahead=False))
        bench.admit("wanted")

    bench.device.during_step = become_wanted
    bench.step()
    assert bench.device.steps == ["right"] and not bench.device.interrupted


def test_a_half_done_guess_is_foretold_as_such(bench: Bench):
    work = bench.work("guess", ahead=True, num_inference_steps=8)
    before = bench.core.forecast(work, 0.0)
    bench.core.admit(bench.core.request(work, 0.0))
    bench.step(6)
    assert bench.core.forecast(work, 0.0).work < before.work / 2


# When a guess is begun ----------------------------------------------------------------------------


def test_no_guess_is_begun_shortly_before_the_next_key(monkeypatch: pytest.MonkeyPatch):
    """By the rhythm of the keys so far; when none comes after all, it is begun."""
    monkeypatch.setattr(ahead, "SILENCE", 0.3)
    assert ahead.rest(0.1, 0.2, near=True) == 0, "half of the time is left"
    assert ahead.rest(0.15, 0.2, near=True) == pytest.approx(ahead.SILENCE - 0.15)
    assert ahead.rest(ahead.SILENCE, 0.2, near=True) == 0
    assert ahead.rest(0.1, 0.0, near=True) == pytest.approx(ahead.SILENCE - 0.1)
    assert ahead.rest(0.1, 0.2, near=False) == pytest.approx(ahead.PAUSE - 0.1)
    assert ahead.rest(9.0, 0.2, near=False) == 0


def test_the_rhythm_is_that_of_the_last_keys():
    gap = 0.0
    for newest in (9.0, 0.2, 0.2, 0.2):
        gap = ahead.rhythm(gap, newest)
    assert gap == pytest.approx(0.2)
    assert 0.2 < ahead.rhythm(gap, 0.4) < 0.4
    assert ahead.rhythm(gap, 5.0) == 0, "somebody was thinking"


# The session --------------------------------------------------------------------------------------


def count(metrics: Metrics, outcome: str) -> float:
    name = "lightning_ahead_total"
    return metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is expected to type on so soon."""
    monkeypatch.setattr(ahead, "SILENCE", 0.0)


class House:
    """A session before a fake engine and the memory of frames."""

    def __init__(self) -> None:
        self.metrics, self.fake = Metrics(), FakeEngine()
        self.engine = CachedEngine(self.fake, FrameCache(2**24), self.metrics)
        self.tab = Tab(self.engine)

    @property
    def begun(self) -> list[GenerationRequest]:
        """What the engine was given, guesses too."""
        return [work.request for work in self.fake.works]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await settle()

    async def close(self) -> None:
        await self.tab.close()
        assert not self.fake.running
        await self.engine.aclose()


def test_a_right_guess_is_there_at_once(run, ask):
    async def check() -> None:
        house = House()
        first, second = ask("a red hou"), ask("a red house")
        house.tab.session.submit(0, first, ahead=[second])
        await house.tab.answer(0)
        await house.until(lambda: count(house.metrics, "painted") == 1)
        house.tab.session.submit(1, second)
        frame = (await house.tab.answer(1)).frame
        assert frame.cached and frame.request == second
        assert house.begun == [first, second]
        assert count(house.metrics, "hit") == 1
        await house.close()

    run(check())


def test_a_guess_that_stays_one_keeps_what_is_done_of_it(run, ask):
    """It is half done when the next key comes, and is done when its own picture is asked for."""

    async def check() -> None:
        house = House()
        guess = ask("a red house", num_inference_steps=8)
        house.tab.session.submit(0, ask("a red ho"), ahead=[guess])
        await house.tab.answer(0)
        await house.until(lambda: house.fake.steps.count("a red house") >= 2)
        house.tab.session.submit(1, ask("a red hou"), ahead=[guess])
        await house.tab.answer(1)
        house.tab.session.submit(2, guess)
        await house.tab.answer(2)
        assert house.fake.steps.count("a red house") == 8, "no step twice"
        assert (count(house.metrics, "hit"), count(house.metrics, "given_up")) == (1, 0)
        await house.close()

    run(check())


def test_a_wrong_guess_is_given_up(run, ask):
    async def check() -> None:
        house = House()
        wrong = ask("a red house", num_inference_steps=8)
        house.tab.session.submit(0, ask("a red ho"), ahead=[wrong])
        await house.tab.answer(0)
        await house.until(lambda: "a red house" in house.fake.steps)
        house.tab.session.submit(1, ask("a red hor"), ahead=[ask("a red horse")])
        await house.tab.answer(1)
        await house.until(lambda: count(house.metrics, "painted") == 1)
        assert house.fake.steps.count("a red house") < 8
        assert "a red horse" in house.fake.steps
        await house.close()

    run(check())


def test_pausing_and_closing_end_all_guesses(run, ask):
    async def check() -> None:
        house = House()
        for number, end in enumerate((house.tab.session.pause, lambda: None)):
            guess = ask(f"guess {number}", num_inference_steps=8)
            house.tab.session.submit(number, ask(f"asked {number}"), ahead=[guess])
            await house.tab.answer(number)
            await house.until(lambda guess=guess: guess.prompt in house.fake.steps)
            end()
        await house.close()
        assert house.fake.steps.count("guess 0") < 8 and house.fake.steps.count("guess 1") < 8

    run(check())


def test_other_step_counts_are_guessed_after_a_pause(run, ask, monkeypatch: pytest.MonkeyPatch):
    """Somebody who types on would wait for the end of their slower steps."""
    monkeypatch.setattr(ahead, "PAUSE", 3600.0)
    guesses = [ask("a cat", num_inference_steps=steps) for steps in (2, 8)]

    async def check() -> None:
        house = House()
        house.tab.session.submit(0, ask("a cat"), ahead=[ask("a cats"), *guesses])
        await house.tab.answer(0)
        await house.until(lambda: count(house.metrics, "painted") == 1)
        await settle(0.05)
        assert house.begun == [ask("a cat"), ask("a cats")]
        house.tab.session.submit(1, ask("a cat "), ahead=[])
        await house.tab.answer(1)
        monkeypatch.setattr(ahead, "PAUSE", 0.05)
        house.tab.session.submit(2, ask("a cat"), ahead=guesses)
        await house.until(lambda: count(house.metrics, "painted") == 3)
        assert house.begun[-2:] == guesses
        await house.close()

    run(check())


def test_nothing_is_guessed_while_others_wait(run, ask):
    async def check() -> None:
        house = House()
        house.fake.say(waiting=1)
        house.tab.session.submit(0, ask("asked"), ahead=[ask("guess")])
        await house.tab.answer(0)
        await settle(0.05)
        assert "guess" not in house.fake.steps
        await house.close()

    run(check())


def test_a_guess_paints_the_same_picture_bit_for_bit(run, components: Any, ask):
    async def check() -> None:
        async with observed_engine(components) as (engine, _):
            cached = CachedEngine(engine, FrameCache(2**24))
            request = ask("a castle")
            guess = asyncio.ensure_future(final_frame(cached, Work(request, ahead=True)))
            await asyncio.sleep(0)
            joined = (await collect(cached, request))[-1]
            alone = (await collect(engine, request))[-1]
            assert np.array_equal(joined.pixels, alone.pixels) and joined.data == alone.data
            assert (await guess).data == alone.data

    run(check())
