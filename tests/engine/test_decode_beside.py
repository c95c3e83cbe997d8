"""Pictures that are decoded while steps are taken, and previews that somebody would see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_demo.engine.local import LocalEngine
from lightning_demo.errors import GenerationFailed
from lightning_demo.model.sampling.sampler import Sampler
from tests.web.fakes import LIMITS

from .core_bench import Bench
from .observed import collect, known_latencies, observed_engine

SIZE = LIMITS.sizes[0]


@pytest.fixture
def bench(ask: Callable[..., Any]) -> Bench:
    return Bench(ask, known_latencies())


def test_previews_are_made_only_for_who_looks_at_them(bench: Bench):
    bench.core.latency_model.calibrate("step", SIZE, 1, 0.06)  # each would be seen
    bench.device.step_seconds = 0.06
    for prompt in ("seen", "unseen", "seen later"):
        work = replace(bench.work(prompt), previews=prompt == "seen")
        bench.core.admit(bench.core.request(work, 0.0))
    bench.step(2)
    assert bench.painted == [("seen", 1, False), ("seen", 2, False)]
    bench.core.amend(work, replace(work, previews=True))
    bench.step()
    assert bench.painted[2:] == [("seen", 3, False), ("seen later", 3, False)]
    assert bench.device.steps == ["seen", "unseen", "seen later"] * 3, "its place is what it was"


def test_others_take_steps_while_a_picture_is_decoded(bench: Bench):
    bench.admit("first", num_inference_steps=2)
    bench.step(2)
    assert bench.core.only_decodes and not bench.core.idle and not bench.finals
    bench.admit("second", num_inference_steps=2)
    assert not bench.core.only_decodes
    bench.step()
    assert bench.device.steps == ["first", "first", "second"]
    ((_, decoding),) = bench.device.beside
    decoding.set_result(bench.device.pictures(1))
    bench.step()
    assert bench.finals == ["first"] and bench.device.beside[-1][0] == ["second"]
    bench.device.beside[-1][1].set_result(bench.device.pictures(1))
    assert not bench.core.only_decodes, "there is something to hand over"
    bench.step()
    assert bench.finals == ["first", "second"] and bench.core.idle and not bench.core.in_flight


def test_one_decode_at_a_time_and_then_all_that_have_come(bench: Bench):
    for kind_rows in (1, 2, 4, 8):  # as if decoding together were worthwhile
        bench.core.latency_model.calibrate("decoder", SIZE, kind_rows, 0.01)
    bench.admit("0", num_inference_steps=1)
    bench.step()
    for prompt in "123":
        bench.admit(prompt, num_inference_steps=1)
    bench.admit("wide", num_inference_steps=1, width=384)
    bench.step(4)
    assert [prompts for prompts, _ in bench.device.beside] == [["0"]]
    bench.device.beside[0][1].set_result(bench.device.pictures(1))
    bench.step()
    assert bench.device.beside[1][0] == ["1", "2", "3"], "of one size"


def test_pictures_finished_together_are_handed_over_together(bench: Bench):
    """Each in a call of its own, none of which waits for the step that is taken meanwhile."""
    for prompt in "abc":
        bench.admit(prompt, num_inference_steps=1)
    bench.step()
    bench.admit("d", num_inference_steps=2)
    assert [prompts for prompts, _ in bench.device.beside] == [["a"], ["b"], ["c"]]
    for _, decoding in bench.device.beside:
        decoding.set_result(bench.device.pictures(1))
    bench.step()
    assert bench.finals == ["a", "b", "c"]


def test_what_nobody_wants_any_more_is_not_decoded(bench: Bench, caplog: pytest.LogCaptureFixture):
    first = bench.admit("first", num_inference_steps=1)
    bench.step()
    second = bench.admit("second", num_inference_steps=1)
    bench.step()
    bench.step()
    assert not bench.device.interrupted
    bench.core.drop(first)
    bench.core.drop(second)
    bench.step()
    assert bench.dropped == ["first", "second"] and not bench.core.in_flight
    assert bench.device.interrupted and not bench.core.idle, "the device still decodes the first"
    assert bench.device.beside[1][1].cancelled(), "the second has not begun"
    bench.device.beside[0][1].set_exception(RuntimeError("given up"))
    bench.step()
    assert bench.core.idle and not bench.finals and len(bench.device.beside) == 2
    assert not caplog.records


def test_what_fails_beside_is_decoded_once_more(bench: Bench, caplog: pytest.LogCaptureFixture):
    bench.admit("first", num_inference_steps=1)
    bench.step()
    bench.device.beside[0][1].set_exception(GenerationFailed("NaN"))
    bench.step()
    assert bench.finals == ["first"] and bench.device.decoded == [["first"]]
    assert "decoded once more" in caplog.text


@pytest.mark.parametrize(
    ("step", "shown"), [(0.014, [1, 4]), (0.03, [1, 3]), (0.06, [1, 2, 3]), (0.002, [1, 4])]
)
def test_previews_are_as_far_apart_as_eyes_tell(
    ask: Callable[..., Any], step: float, shown: list[int]
):
    latencies = known_latencies()
    latencies.calibrate("step", SIZE, 1, step)
    bench = Bench(ask, latencies)
    bench.device.step_seconds = step
    bench.admit("a", num_inference_steps=4)
    bench.step(4)
    bench.device.beside[0][1].set_result(bench.device.pictures(1))
    bench.step()
    assert sorted({number for _, number, _ in bench.painted} | {4}) == sorted({*shown, 4})


@pytest.mark.parametrize(("preview", "shown"), [(0.003, [1, 2, 3]), (0.009, [1, 3]), (0.03, [1])])
def test_a_later_preview_takes_a_tenth_of_the_time_at_most(
    ask: Callable[..., Any], preview: float, shown: list[int]
):
    latencies = known_latencies()
    latencies.calibrate("step", SIZE, 1, 0.06)
    latencies.calibrate("preview", SIZE, 1, preview)
    bench = Bench(ask, latencies)
    bench.device.step_seconds = 0.06
    bench.admit("a", num_inference_steps=4)
    bench.step(4)
    assert [number for _, number, _ in bench.painted] == shown


def test_a_cpu_with_cores_to_spare_paints_the_same_beside(
    run: Callable[..., Any], components: Any, ask: Callable[..., Any], monkeypatch
):
    async def paint(beside: bool) -> Any:
        monkeypatch.setattr(Sampler, "decodes_beside", beside)
        async with observed_engine(components) as (engine, _):
            assert isinstance(engine, LocalEngine)
            return (await collect(engine, ask("a castle")))[-1].pixels

    assert np.array_equal(run(paint(True)), run(paint(False)))
