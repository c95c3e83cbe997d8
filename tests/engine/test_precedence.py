"""An audience gives way to whoever presents, and is not starved."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise

import pytest

from lightning_demo.bench.simulation.device_model import GIVEN, DeviceModel, linear
from lightning_demo.bench.simulation.talk import simulated
from lightning_demo.engine.base import Work
from lightning_demo.engine.core import EngineCore
from lightning_demo.engine.decoding import DecodingQueue
from lightning_demo.engine.events import Painted
from lightning_demo.engine.in_flight import InFlightRequest
from lightning_demo.engine.latency_model import LatencyModel
from lightning_demo.engine.precedence import PATIENCE, Precedence
from lightning_demo.errors import Interrupted
from lightning_demo.schemas import GenerationRequest

from .core_bench import Device
from .test_fairness import Clocked
from .test_queue import LIMITS, SIZE, WIDE

HALL = "hall"
SLOW = linear("laptop", 256, (27, 24), 35, 6, prompt=4, encode=3)  # ms; one row at a time


def work(prompt: str, steps: int = 4, size: tuple[int, int] = SIZE, *, phone: bool = True) -> Work:
    request = GenerationRequest(prompt, "", steps, 0.0, 0, *size)
    return Work(request, HALL if phone else None, yields=phone)


def ask(core: EngineCore, asked: Work, now: float = 0.0) -> InFlightRequest:
    request = core.request(asked, now)
    core.admit(request)
    return request


@pytest.mark.parametrize("cap", [1, 8])
@pytest.mark.parametrize(("steps", "size"), [(4, SIZE), (8, SIZE), (4, WIDE)], ids=str)
def test_the_presenter_waits_for_the_call_that_runs_and_no_other(
    cap: int, steps: int, size: tuple[int, int]
) -> None:
    engine = Clocked(cap)
    for number in range(100):
        ask(engine.core, work(f"phone {number}"))
    for key in range(3):
        prompt = f"key {key}"
        mine = work(prompt, steps, size, phone=False)
        engine.step(7)
        engine.step(during=lambda mine=mine: ask(engine.core, mine, engine.now))
        asked, now = len(engine.calls), engine.now
        engine.step(steps)
        assert engine.calls[asked:] == [[prompt]] * steps, "alone in every call"
        seconds = engine.device.latencies.seconds
        alone = steps * seconds("step", size, 1) + 2 * seconds("decoder", size, 1)
        previews = steps * seconds("preview", size, 1)
        assert engine.finals[prompt] - now <= alone + previews


@pytest.mark.parametrize("cap", [1, 8])
def test_what_gives_way_is_not_starved(cap: int) -> None:
    engine = Clocked(cap)
    for number in range(4):
        ask(engine.core, work(f"phone {number}"))
    phones = {f"phone {number}" for number in range(4)}
    keys = 0
    while not phones <= engine.finals.keys() and keys < 1000:
        ask(engine.core, work(f"key {keys}", phone=False), engine.now)
        while f"key {keys}" not in engine.finals:
            engine.step()
        keys += 1
    assert keys < 1000
    turns = [place for place, call in enumerate(engine.calls) if call[0] in phones]
    assert all(later - earlier >= 4 for earlier, later in pairwise(turns)), "now and then"


def test_of_finished_pictures_the_presenters_is_decoded_first_and_the_others_one_by_one() -> None:
    device = Device()
    core = EngineCore(LIMITS, LatencyModel())
    core.start(device)  # type: ignore[arg-type]
    for number in range(3):
        ask(core, work(f"phone {number}", 1))
    while not len(device.beside) and core.in_flight:
        list(core.step())
    assert [prompts for prompts, _ in device.beside] == [["phone 0"]]
    list(core.step())
    list(core.step())
    ask(core, work("key", 1, phone=False))
    list(core.step())
    assert [prompts for prompts, _ in device.beside] == [["phone 0"], ["key"]]
    for _, decoding in device.beside:
        decoding.set_result(([b""], 0.0))
    painted = [
        e.request.work.request.prompt for e in core.step() if isinstance(e, Painted) and e.final
    ]
    assert painted == ["phone 0", "key"]
    assert [prompts for prompts, _ in device.beside[2:]] == [["phone 1"]]


def test_what_presses_is_not_told_to_wait_for_what_gives_way() -> None:
    engine = Clocked(1)
    for number in range(5):
        ask(engine.core, work(f"phone {number}"))
    presses = engine.core.forecast(work("key", phone=False), 0.0)
    assert (presses.ahead, presses.wait) == (0, 0.0)
    one_more = engine.core.forecast(work("phone 5"), 0.0)
    assert one_more.ahead == 5
    assert (engine.core.waiting, engine.core.yielding) == (5, 5)


def test_what_both_want_gives_way_no_more() -> None:
    engine = Clocked(1)
    for number in range(3):
        ask(engine.core, work(f"phone {number}"))
    shared = replace(work("phone 2"), since=0.0)
    engine.core.in_flight[2].work = shared
    assert engine.core.amend(shared, replace(shared, client=None, yields=False)) is not None
    engine.step()
    assert engine.calls == [["phone 2"]]


@pytest.mark.parametrize("model", [GIVEN["h200-1024"], SLOW], ids=["gpu", "laptop"])
def test_a_hall_that_paints_costs_the_presenter_little_and_is_served(model: DeviceModel) -> None:
    """On a virtual clock: the same typing, alone and with 16 phones."""
    alone, presenter, hall = simulated(model, 16, 60, 1)
    for share in ("p50", "p95"):
        waited = presenter["last_key_to_final_ms"][share]
        assert waited <= 1.3 * alone["last_key_to_final_ms"][share]
    assert presenter["lost_finals"] == hall["lost_finals"] == 0
    assert hall["fairness"] > 0.9


def test_a_call_that_gives_way_is_interrupted_unless_it_was_their_turn() -> None:
    device = Device()
    core = EngineCore(LIMITS, LatencyModel())
    core.start(device)  # type: ignore[arg-type]

    def step_while(asked: Work) -> None:
        device.during_step = lambda: ask(core, asked) and None
        list(core.step())
        device.during_step = lambda: None

    ask(core, work("phone 0", 8))
    step_while(work("phone 1", 8))
    assert device.interrupted == []
    step_while(work("key", 8, phone=False))
    assert device.interrupted == ["unet"]
    turns = Precedence()
    mine, phone = (core.request(work("w", phone=phone), 0.0) for phone in (False, True))
    turns.stepped([phone], 1.0)
    turns.decoded([phone], 0.5)
    assert turns.holds([phone], [mine]) and not turns.holds([mine], [phone])
    turns.stepped([mine], PATIENCE)
    assert turns.holds([phone], [mine])
    turns.decoded([mine], PATIENCE / 2)
    assert not turns.holds([phone], [mine]), "they have waited for it long enough"


def test_a_presenters_picture_is_decoded_in_quiet() -> None:
    device = Device()
    core = EngineCore(LIMITS, LatencyModel())
    core.start(device)  # type: ignore[arg-type]
    ask(core, work("phone 0", 1))
    list(core.step())
    assert [prompts for prompts, _ in device.beside] == [["phone 0"]]
    ask(core, work("phone 1", 8))
    assert device.interrupted == [], "they do not give way to one another"
    ask(core, work("key", 1, phone=False))
    assert device.interrupted == ["decoder"]
    device.beside[0][1].set_exception(Interrupted())
    list(core.step())
    assert [prompts for prompts, _ in device.beside[1:]] == [["key"]]
    taken = len(device.steps)
    list(core.step())
    assert core.only_decodes and len(device.steps) == taken, "no step beside it"
    device.beside[1][1].set_result(([b""], 0.01))
    assert not core.only_decodes
    list(core.step())
    assert device.steps[taken:] == ["phone 1"]
    assert [prompts for prompts, _ in device.beside[2:]] == [["phone 0"]], "once more"


def test_steps_that_have_waited_long_enough_do_not_wait_for_a_decoding() -> None:
    turns = Precedence()
    queue = DecodingQueue(LatencyModel(), turns)
    core = EngineCore(LIMITS, LatencyModel())
    mine, phone = (core.request(work("w", phone=phone), 0.0) for phone in (False, True))
    queue.add(mine)
    queue.begun([mine], Future())
    assert queue.holds_back([phone]) and not queue.holds_back([mine])
    turns.stepped([mine], 2 * PATIENCE)
    assert not queue.holds_back([phone])
