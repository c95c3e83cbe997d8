"""A tab's connection and the service that counts them."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lightning_demo.engine import ahead, policy
from lightning_demo.engine.metrics import Metrics
from lightning_demo.errors import EngineUnavailable, RateLimited
from lightning_demo.settings import Settings
from lightning_demo.web import messages
from lightning_demo.web import service as module
from lightning_demo.web.messages import ClientMessage
from lightning_demo.web.service import Service
from lightning_demo.web.stage.audience.seats import Seat

from .fakes import WITH_DRAFTS, FakeEngine, slow

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def sessions(metrics: Metrics) -> tuple[float, ...]:
    """Those that are open, and those that wait to be let in."""
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    found = {each.name: each.value for family in families for each in family.samples}
    return found["lightning_sessions"], found["lightning_sessions_waiting"]


def ask(sequence: int, prompt: str = "a cat", steps: int = 4, **more: Any) -> ClientMessage:
    request = {"prompt": prompt, "num_inference_steps": steps}
    return messages.parse(json.dumps({"sequence": sequence, "request": request, **more}))


def test_it_answers_errors_and_streams_the_rest(run: Run) -> None:
    async def talk() -> None:
        service = Service(FakeEngine(), Settings())
        connection = service.open()
        assert connection.receive(messages.parse("nonsense")) == {
            "type": "error",
            "sequence": 0,
            "field": None,
            "message": "message: must be JSON.",
        }
        assert connection.receive(ask(1)) is None
        assert connection.busy
        async for event in connection.events():
            if event.frame is not None and event.frame.final:
                break
        await service.close(connection)

    run(talk())


def test_the_budget_of_a_message_makes_drafts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BURST_GAP", "SILENCE"):  # one is typing, however slow the machine is
        monkeypatch.setattr(policy, name, 3600.0)

    async def talk() -> None:
        engine = FakeEngine(status=WITH_DRAFTS)
        engine.forecast_of = slow
        service = Service(engine, Settings())
        connection = service.open()
        received = []
        for sequence, budget in enumerate((0, 0, 350, 10), 1):
            connection.receive(ask(sequence, str(sequence), 8, budget=budget))
            async for event in connection.events():
                assert event.frame is not None
                if event.budget is not None:
                    received.append((event.sequence, event.budget))
                if event.frame.final:
                    break
        assert set(received) == {(3, 350), (4, 10)}
        steps = [request.num_inference_steps for request in engine.requests]
        assert steps == [8, 8, 2, 8, 2, 8]
        answer = connection.receive(ask(9, budget=-1))
        assert answer is not None and answer["field"] == "budget"
        await service.close(connection)

    run(talk())


def test_an_older_message_that_comes_late_is_ignored(run: Run) -> None:
    async def talk() -> None:
        engine = FakeEngine()
        service = Service(engine, Settings())
        connection = service.open()
        connection.receive(ask(2, "new"), in_order=False)
        connection.receive(ask(1, "old"), in_order=False)
        async for event in connection.events():
            assert event.sequence == 2
            if event.frame is not None and event.frame.final:
                break
        assert [request.prompt for request in engine.requests] == ["new"]
        await service.close(connection)

    run(talk())


def test_draining_finishes_what_runs_and_takes_nothing_new(run: Run) -> None:
    async def talk() -> None:
        engine = FakeEngine(step_seconds=0.02)
        service = Service(engine, Settings())
        connection = service.open()
        connection.receive(ask(1))
        events = []

        async def read() -> None:
            async for event in connection.events():
                events.append(event)

        reader = asyncio.ensure_future(read())
        drain = asyncio.ensure_future(service.drain(30))
        await asyncio.sleep(0)
        answer = connection.receive(ask(2))
        assert answer is not None and "restarted" in str(answer["message"])
        with pytest.raises(EngineUnavailable):
            service.open()
        assert service.status()["draining"]
        await drain
        await reader
        assert events[-1].frame is not None and events[-1].frame.final

    run(talk())


def test_draining_does_not_wait_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GOODBYE_SECONDS", 0.05)

    async def talk() -> None:
        engine = FakeEngine(step_seconds=3600)
        service = Service(engine, Settings())
        connection = service.open()
        connection.receive(ask(1))
        await service.drain(0.05)
        assert engine.running == 0

    run(talk())


def test_connections_are_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 2)

    async def talk() -> None:
        service = Service(FakeEngine(), Settings())
        first, _ = service.open(), service.open()
        with pytest.raises(EngineUnavailable):
            service.open()
        await service.close(first)
        service.open()

    run(talk())


def test_so_are_those_of_one_address(run: Run) -> None:
    async def talk() -> None:
        service = Service(FakeEngine(), Settings(sessions_per_address=1))
        first = service.open("here")
        service.open("elsewhere")
        with pytest.raises(RateLimited):
            service.open("here")
        await service.close(first)
        await service.close(first)  # as often as one likes
        service.open("here")
        with pytest.raises(RateLimited):
            service.open("here")

    run(talk())


def test_who_waits_for_a_seat_is_not_waited_for_at_the_end(run: Run) -> None:
    async def talk() -> None:
        engine = FakeEngine(step_seconds=0.02)
        service = Service(engine, Settings(max_sessions=1))
        seated, waiting = service.open(), service.open()
        seated.receive(ask(1, "painted"))
        waiting.receive(ask(1, "never painted"))
        assert waiting.busy and not waiting.painting
        await service.drain(30)
        assert [request.prompt for request in engine.requests] == ["painted"]

    run(talk())


def test_a_place_that_is_kept_for_a_phone_is_no_page(run: Run) -> None:
    """A phone that sleeps stays in line, and is counted when it is back."""

    async def talk() -> None:
        metrics = Metrics()
        service = Service(
            FakeEngine(), Settings(stage=True, audience=True, audience_seats=1), metrics
        )
        assert service.stage is not None and service.stage.audiences is not None
        seats = service.stage.audiences.seats
        painting, asleep, waiting = (service.open(seats=Seat(seats)) for _ in range(3))
        for phone in (painting, asleep, waiting):
            phone.receive(ask(1))
        await service.close(asleep)
        assert seats.waiting == 2
        assert sessions(metrics) == (1, 1)
        await service.drain(0)
        assert sessions(metrics) == (0, 0)

    run(talk())


def test_what_was_kept_is_painted_in_the_name_of_whoever_asked(run: Run) -> None:
    visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor")
    names = []

    class Engine(FakeEngine):
        async def generate(self, *arguments: Any, **options: Any) -> Any:
            names.append(visitor.get())
            async for frame in super().generate(*arguments, **options):
                yield frame

    async def talk() -> None:
        service = Service(Engine(), Settings(max_sessions=1))
        first, second = service.open(), service.open()
        for name, connection in (("one", first), ("two", second)):
            visitor.set(name)
            connection.receive(ask(1))
        visitor.set("somebody who leaves")
        await asyncio.sleep(0)
        await service.close(first)
        async for event in second.events():
            if event.frame is not None and event.frame.final:
                break
        assert names == ["one", "two"]
        await service.close(second)

    run(talk())


def test_nothing_runs_when_the_last_one_has_gone(run: Run) -> None:
    async def talk() -> None:
        before = asyncio.all_tasks()
        service = Service(FakeEngine(), Settings())
        connections = [service.open() for _ in range(3)]
        assert len(asyncio.all_tasks() - before) == 1, "one looks for all of them"
        for connection in connections:
            await service.close(connection)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    run(talk())


@pytest.mark.parametrize(
    ("settings", "seed", "painted"),
    [
        (Settings(), 7, ["a cat"]),
        (Settings(ahead=False), 7, []),
        (Settings(memory_mb=0), 7, []),
        (Settings(), None, []),
    ],
    ids=["on", "off", "without a memory", "without a seed"],
)
def test_guesses_are_painted_afterwards_and_wrong_ones_left_out(
    run: Run,
    settings: Settings,
    seed: int | None,
    painted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a seed the server chooses one, and another one for the next request."""
    monkeypatch.setattr(ahead, "SILENCE", 0.0)

    async def talk() -> None:
        engine = FakeEngine()
        service = Service(engine, settings)
        connection = service.open()
        guesses = [{"num_inference_steps": 3}, {"prompt": ""}, {"width": 384}, {"prompt": "a cat"}]
        request = {"prompt": "a ca", "num_inference_steps": 4, "seed": seed}
        message = {"sequence": 1, "request": request, "ahead": guesses}
        assert connection.receive(messages.parse(json.dumps(message))) is None
        async for event in connection.events():
            if event.frame is not None and event.frame.final:
                break
        while engine.running or len(engine.works) <= len(painted):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)  # for one too many
        assert [work.request.prompt for work in engine.works] == ["a ca", *painted]
        assert [work.ahead for work in engine.works] == [False] + [True] * len(painted)
        await service.close(connection)

    run(talk())


class Seen:
    """An observer that notes what it is told."""

    def __init__(self) -> None:
        self.asked_prompts: list[str] = []
        self.painted_prompts: list[str] = []

    def present(self, sequence: int, fields: Any) -> None:
        pass

    def asked(self, sequence: int, prompt: str) -> None:
        self.asked_prompts.append(prompt)

    def painted(self, frame: Any, budget: float | None) -> None:
        self.painted_prompts.append(frame.request.prompt)

    def close(self) -> None:
        pass


def test_what_a_page_plays_takes_no_seat_and_waits_for_everybody(run: Run) -> None:
    async def talk() -> None:
        engine = FakeEngine()
        service = Service(engine, Settings(attract=60, max_sessions=1))
        guest, idle = service.open(), service.open()
        idle.observer = seen = Seen()
        engine.hold()
        assert guest.receive(ask(1, "a guest")) is None
        await engine.reached()
        assert idle.receive(ask(1, "an example", attract=True)) is None
        while len(engine.works) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert len(service._admission) == 1 and service._admission.waiting == 0
        idle.tell_wait()
        assert idle.line == messages.line(None), "nobody waits there"
        played = engine.works[-1]
        assert played.ahead and played.attract and not played.draft
        engine.release()
        async for event in idle.events():
            if event.frame is not None and event.frame.final:
                break
        assert event.attract and seen.painted_prompts == [], "and no wall shows it"
        assert engine.steps == ["a guest"] * 4 + ["an example"] * 4
        # Whoever comes back there is a visitor as all are, from now on.
        before = asyncio.get_running_loop().time()
        await service.close(guest)
        assert idle.receive(ask(2, "a guest")) is None
        async for event in idle.events():
            if event.frame is not None and event.frame.final:
                break
        work = engine.works[-1]
        assert not (work.ahead or work.attract or event.attract)
        assert set(seen.painted_prompts) == {"a guest"} == set(seen.asked_prompts)
        assert work.since is not None and work.since >= before
        await service.close(idle)

    run(talk())


@pytest.mark.parametrize("lent", [False, True])
def test_nothing_plays_where_it_was_not_asked_for_or_pictures_are_dear(
    run: Run, lent: bool
) -> None:
    async def talk() -> None:
        engine = FakeEngine()
        engine.say(submit_on_enter=lent)
        service = Service(engine, Settings(attract=60 if lent else 0))
        connection = service.open()
        answer = connection.receive(ask(1, attract=True))
        assert answer is not None and "play by themselves" in answer["message"]
        assert engine.works == []
        await service.close(connection)

    run(talk())
