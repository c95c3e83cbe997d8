"""Pictures that are decoded while steps are taken, and previews that somebody would see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from lightning_demo.engine.base import Work
from lightning_demo.engine.core import EngineCore
from lightning_demo.engine.events import Dropped, Painted
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.engine.local import LocalEngine
from lightning_demo.engine.queue import InFlightRequest
from lightning_demo.errors import GenerationFailed
from lightning_demo.model.sampling.sampler import Sampler
from tests.web.fakes import LIMITS, FakeRow

from .observed import collect, known_latencies, observed_engine

SIZE = LIMITS.sizes[0]


class Device:
    """Does nothing; a decode beside ends when the test says so."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.step_seconds = 0.014
        self.decoded: list[list[str]] = []  # at once
        self.beside: list[tuple[list[str], Future[Any]]] = []
        self.given_up = 0

    def begin(self, requests: Sequence[Any]) -> tuple[list[Any], int, float]:
        return [FakeRow(request) for request in requests], len(requests), 0.0

    def step(self, rows: Sequence[FakeRow]) -> float:
        for row in rows:
            row.step += 1
            self.steps.append(row.request.prompt)
        return self.step_seconds

    def decode(self, kind: str, rows: Sequence[FakeRow]) -> tuple[list[Any], float]:
        if kind == "decoder":
            self.decoded.append(_prompts(rows))
        return self.pictures(len(rows))

    def decode_beside(self, rows: Sequence[FakeRow]) -> Future[Any]:
        self.beside.append((_prompts(rows), Future()))
        return self.beside[-1][1]

    def give_up_beside(self) -> None:
        self.given_up += 1

    def notes(self, row: FakeRow) -> tuple[str, ...]:
        return ()

    def seconds_to_load(self, num_inference_steps: int) -> float:
        return 0.0

    @staticmethod
    def pictures(count: int) -> tuple[list[Any], float]:
        return [np.zeros((1, 1, 3), np.uint8)] * count, 0.0


class Bench:
    """A core before such a device."""

    def __init__(self, ask: Callable[..., Any], latency_model: LatencyModel) -> None:
        self.device, self._ask = Device(), ask
        self.core = EngineCore(LIMITS, latency_model)
        self.core.start(self.device)
        self.painted: list[tuple[str, int, bool]] = []
        self.dropped: list[str] = []

    def admit(self, prompt: str, **fields: Any) -> InFlightRequest:
        request = self.core.request(Work(self._ask(prompt, **fields)), 0.0)
        self.core.admit(request)
        return request

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            for event in self.core.step():
                match event:
                    case Painted(request=r):
                        self.painted.append((r.work.request.prompt, event.step, event.final))
                        self.core.take(r)
                    case Dropped(request=r):
                        self.dropped.append(r.work.request.prompt)

    @property
    def finals(self) -> list[str]:
        return [prompt for prompt, _, final in self.painted if final]


def _prompts(rows: Sequence[FakeRow]) -> list[str]:
    return [row.request.prompt for row in rows]


@pytest.fixture
def bench(ask: Callable[..., Any]) -> Bench:
    return Bench(ask, known_latencies())


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
    bench.admit("wide", num_inference_steps=1, width=192)
    bench.step(4)
    assert [prompts for prompts, _ in bench.device.beside] == [["0"]]
    bench.device.beside[0][1].set_result(bench.device.pictures(1))
    bench.step()
    assert bench.device.beside[1][0] == ["1", "2", "3"], "of one size"


def test_what_nobody_wants_any_more_is_not_decoded(bench: Bench, caplog: pytest.LogCaptureFixture):
    first = bench.admit("first", num_inference_steps=1)
    bench.step()
    second = bench.admit("second", num_inference_steps=1)
    bench.step()
    bench.step()
    assert not bench.device.given_up
    bench.core.drop(first)
    bench.core.drop(second)
    bench.step()
    assert bench.dropped == ["first", "second"] and not bench.core.in_flight
    assert bench.device.given_up and not bench.core.idle, "the device still decodes the first"
    bench.device.beside[0][1].set_exception(RuntimeError("given up"))
    bench.step()
    assert bench.core.idle and not bench.finals and len(bench.device.beside) == 1
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


def test_a_cpu_with_cores_to_spare_paints_the_same_beside(
    run: Callable[..., Any], components: Any, ask: Callable[..., Any], monkeypatch
):
    async def paint(beside: bool) -> Any:
        monkeypatch.setattr(Sampler, "decodes_beside", beside)
        async with observed_engine(components) as (engine, _):
            assert isinstance(engine, LocalEngine)
            return (await collect(engine, ask("a castle")))[-1].pixels

    assert np.array_equal(run(paint(True)), run(paint(False)))


def test_threads_that_want_the_same_cores_take_turns(components: Any, monkeypatch):
    sampler = Sampler(components)
    for cores, beside in ((1, False), (2, True), (None, False)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert sampler.decodes_beside is beside
