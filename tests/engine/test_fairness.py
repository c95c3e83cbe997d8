"""Programs and typists before one device: a batch of a thousand makes nobody wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from lightning_demo.engine.base import Work
from lightning_demo.engine.core import EngineCore
from lightning_demo.engine.events import Called, Painted
from lightning_demo.engine.in_flight import InFlightRequest
from lightning_demo.engine.latency_model import Kind
from lightning_demo.schemas import GenerationRequest
from tests.web.fakes import FakeRow

from .core_bench import Device
from .test_queue import LIMITS, SIZE, WIDE, latencies

PROGRAM = "program"


class SlowDevice(Device):
    """Does one thing at a time, for the seconds of a table."""

    def __init__(self, cap: int) -> None:
        super().__init__()
        self.latencies = latencies(cap=cap)

    def step(self, rows: Sequence[FakeRow]) -> float:
        super().step(rows)
        return self.latencies.seconds("step", SIZE, len(rows))

    def decode(self, kind: Kind, rows: Sequence[FakeRow]) -> tuple[list[object], float]:
        pictures, _ = super().decode(kind, rows)
        return pictures, self.latencies.seconds(kind, SIZE, len(rows))

    def decode_beside(self, rows: Sequence[FakeRow]) -> None:
        return None


class Clocked:
    """The core before such a device, on a clock that only calls move."""

    def __init__(self, cap: int) -> None:
        self.device, self.now = SlowDevice(cap), 0.0
        self.core = EngineCore(LIMITS, self.device.latencies, max_waiting=1000)
        self.core.start(self.device)
        self.calls: list[list[str]] = []  # prompts by UNet call
        self.finals: dict[str, float] = {}  # and when

    def ask(
        self, prompt: str, steps: int = 4, size: tuple[int, int] = SIZE, client: str | None = None
    ) -> InFlightRequest:
        work = Work(GenerationRequest(prompt, "", steps, 0.0, 0, *size), client)
        request = self.core.request(work, self.now)
        self.core.admit(request)
        return request

    def step(self, times: int = 1, *, during: Callable[[], object] = lambda: None) -> None:
        self.device.during_step = during  # type: ignore[assignment]
        for _ in range(times):
            for event in self.core.step():
                if isinstance(event, Called):
                    self.now += event.seconds
                    if event.kind == "step":
                        self.calls.append([r.work.request.prompt for r in event.batch])
                elif isinstance(event, Painted) and event.final:
                    self.finals[event.request.work.request.prompt] = self.now


@pytest.mark.parametrize("cap", [1, 8])
@pytest.mark.parametrize(("steps", "size"), [(4, SIZE), (8, SIZE), (1, SIZE), (4, WIDE)], ids=str)
def test_a_typist_waits_for_one_step_of_a_batch(
    cap: int, steps: int, size: tuple[int, int]
) -> None:
    """Wherever in the batch a key comes, and whether or not the two can share a call."""
    engine = Clocked(cap)
    for number in range(100):
        engine.ask(f"{PROGRAM} {number}", client=PROGRAM)
    for key in range(4):
        engine.step(key)
        engine.step(during=lambda key=key: engine.ask(f"key {key}", steps, size))
        asked = len(engine.calls)
        engine.step(2 * steps - 1)
        calls = engine.calls[asked:]
        mine = [f"key {key}" in call for call in calls]
        assert mine[0], "the first step after the one that ran"
        last = max(place for place, had in enumerate(mine) if had)
        assert all(had or next for had, next in pairwise(mine[: last + 1])), "every second at least"
        assert sum(mine) == steps and f"key {key}" in engine.finals


def test_a_typist_waits_for_one_step_of_a_thousand_pictures() -> None:
    engine = Clocked(cap=1)
    for number in range(1000):
        engine.ask(f"{PROGRAM} {number}", client=PROGRAM)
    engine.step(9)
    engine.step(during=lambda: engine.ask("typist", 1, WIDE))
    engine.step()
    assert engine.calls[-1] == ["typist"] and list(engine.finals)[-1] == "typist"


@pytest.mark.parametrize("cap", [1, 8])
@pytest.mark.parametrize("size", [SIZE, WIDE], ids=str)
def test_a_batch_goes_on_beside_somebody_who_types_at_every_step(
    cap: int, size: tuple[int, int]
) -> None:
    engine = Clocked(cap)
    for number in range(100):
        engine.ask(f"{PROGRAM} {number}", client=PROGRAM)
    typed = [engine.ask("key 0", size=size)]
    for key in range(1, 40):
        engine.step()
        engine.core.drop(typed[-1])
        typed.append(engine.ask(f"key {key}", size=size))
    theirs = [any(prompt.startswith(PROGRAM) for prompt in call) for call in engine.calls]
    assert sum(theirs) >= len(theirs) // 2


def test_nothing_is_brought_to_the_device_at_every_second_step() -> None:
    """Where weights have to be loaded, the batch does not give way each time."""
    engine = Clocked(cap=1)
    here = 4
    engine.device.seconds_to_load = lambda steps: 0.0 if steps == here else 1.0  # type: ignore[method-assign]
    engine.core.start(engine.device)
    for number in range(100):
        engine.ask(f"{PROGRAM} {number}", client=PROGRAM)
    engine.step(8)
    engine.ask("eight steps", 8)
    engine.step(20)
    assert not any("eight steps" in call for call in engine.calls[:28])
