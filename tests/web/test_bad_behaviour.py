"""Crowds, floods, clients that do not read and tabs that are killed: over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from gradio_client import Client
from websockets.exceptions import ConnectionClosed

from lightning_demo.engine.base import Forecast
from lightning_demo.web import admission, live_socket
from lightning_demo.web.live_connection import LiveConnection

from .conftest import Running, Tab, texts, wait_for
from .fakes import FakeEngine

SEATED_LINE = {"type": "line", "what": None, "ahead": 0, "seconds": None}


def state(running: Running) -> dict[str, int]:
    """What a server holds for its visitors."""
    kept = running.server._service
    loop = running.server._loop
    assert loop is not None
    return {
        "tasks": len(asyncio.all_tasks(loop)),
        "connections": len(kept._connections),
        "addresses": len(kept._pages),
        "seats": len(kept._admission),
        "running": running.engine.running,
    }


def line(tab: Tab) -> dict[str, Any]:
    return tab.until(lambda m: m["type"] == "line")[-1]


def kill(tab: Tab) -> None:
    """The end of a tab whose machine is gone: no goodbye, the connection is reset."""
    raw = tab.connection.socket
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def test_a_hundred_sockets_open_and_close_and_nothing_is_left(
    start: Callable[..., Running],
) -> None:
    running = start(max_sessions=5)
    with running.socket() as tab:
        tab.receive()
    wait_for(lambda: state(running)["connections"] == 0)
    before = state(running)

    def visit(number: int) -> None:
        with running.socket() as tab:
            tab.ask(1, f"visitor {number}")
            if number % 4 == 0:
                kill(tab)
            elif number % 4 == 1:
                assert tab.final(1)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(visit, range(100)))
    wait_for(lambda: all(now <= before[name] for name, now in state(running).items()))


def test_tabs_killed_in_mid_step_stop_their_work_and_give_up_their_seats(
    start: Callable[..., Running],
) -> None:
    running = start(FakeEngine(step_seconds=3600), max_sessions=3)
    with contextlib.ExitStack() as stack:
        tabs = [stack.enter_context(running.socket()) for _ in range(3)]
        for number, tab in enumerate(tabs):
            tab.ask(1, f"number {number}")
        wait_for(lambda: running.engine.running == 3)
        waiting = stack.enter_context(running.socket())
        waiting.ask(1, "next")
        assert line(waiting)["what"] == "seat"
        running.engine.step_seconds = 0
        for tab in tabs:
            kill(tab)
        assert waiting.final(1)
        wait_for(lambda: state(running)["seats"] == 1)
        wait_for(lambda: state(running)["running"] == 0)


def test_a_client_that_never_reads_costs_one_frame_and_nobody_else_anything(
    start: Callable[..., Running],
) -> None:
    engine = FakeEngine(step_seconds=0)
    engine.padding = 2**20
    running = start(engine)

    def unsent() -> int:
        """Bytes that the server holds because somebody does not read."""
        connections = running.server._blocks.server.server_state.connections
        return sum(each.transport.get_write_buffer_size() for each in list(connections))

    with running.socket(max_queue=1) as deaf, running.socket() as tab:
        for number in range(1, 31):
            deaf.ask(number, f"unread {number}")
            if number % 10 == 0:
                tab.ask(number, f"read {number}")
                assert tab.final(number)
            else:
                wait_for(partial(answered, engine, f"unread {number}"))
        assert 0 < unsent() < 2 * engine.padding, "the one that is being sent, and no other"
        deaf.ask(31, "unread to the end")
        tab.ask(31, "served all the same")
        assert tab.final(31)
        kill(deaf)
        wait_for(lambda: state(running)["connections"] == 1)


def answered(engine: FakeEngine, prompt: str) -> bool:
    newest = engine.requests[-1:]
    return bool(newest) and newest[0].prompt == prompt and not engine.running


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sequence numbers of all that reached a live session."""
    numbers: list[int] = []
    before = LiveConnection.submit

    def submit(self: LiveConnection, sequence: int, *rest: Any) -> None:
        numbers.append(sequence)
        before(self, sequence, *rest)

    monkeypatch.setattr(LiveConnection, "submit", submit)
    return numbers


@pytest.mark.parametrize("length", [10, 5_000])
def test_a_flood_slows_only_its_sender(
    start: Callable[..., Running],
    submitted: list[int],
    monkeypatch: pytest.MonkeyPatch,
    length: int,
) -> None:
    monkeypatch.setattr(live_socket, "WINDOW_SECONDS", 0.05)  # long, whatever the machine
    running = start(FakeEngine(step_seconds=0.001))
    first, last = 10_000, 10_999
    with running.socket() as flooding, running.socket() as polite:

        def flood() -> None:
            for sequence in range(first, last + 1):
                flooding.ask(sequence, f"{sequence} " + "x" * length)

        thread = threading.Thread(target=flood)
        thread.start()
        for sequence in range(1, 11):
            polite.ask(sequence, f"polite {sequence}")
            frames = polite.final(sequence)
            assert [frame["sequence"] for frame in frames] == [sequence] * len(frames)
        thread.join()
        assert flooding.final(last)[-1]["prompt"].startswith(f"{last} ")
    received = [sequence for sequence in submitted if sequence >= first]
    assert received == sorted(received) and received[-1] == last
    assert len(received) <= 500, "of those that come together only the newest is acted on"
    assert [sequence for sequence in submitted if sequence < first] == list(range(1, 11))


def test_a_flood_of_rubbish_is_answered_now_and_then(start: Callable[..., Running]) -> None:
    with start().socket() as tab:
        for _ in range(500):
            tab.say("rubbish")
        tab.ask(7)
        assert tab.final(7)


def test_beyond_the_seats_a_page_waits_is_told_and_gets_in(start: Callable[..., Running]) -> None:
    running = start(max_sessions=1)
    with contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(running.socket()) for _ in range(3))
        first.ask(1, "first")
        assert first.final(1)
        second.ask(1, "second")
        assert line(second) == {"type": "line", "what": "seat", "ahead": 0, "seconds": None}
        third.ask(1, "third")
        third.ask(2, "third, in other words")
        assert line(third)["ahead"] == 1
        first.ask(2, "goes on")
        assert first.final(2)
        first.connection.close()
        assert line(second) == SEATED_LINE
        assert second.final(1)
        assert line(third)["ahead"] == 0
        second.connection.close()
        assert third.final(2)[-1]["prompt"] == "third, in other words"
    prompts = [request.prompt for request in running.engine.requests]
    assert prompts == ["first", "goes on", "second", "third, in other words"]


def test_an_idle_page_loses_its_seat_only_to_somebody_and_gets_back_in_line(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "IDLE_SECONDS", 0.0)
    running = start(max_sessions=1)
    with running.socket() as first, running.socket() as second:
        first.ask(1, "first")
        assert first.final(1)
        second.ask(1, "second")
        assert second.final(1)
        first.ask(2, "first again")
        assert first.final(2)


def test_a_pause_gives_up_the_place(start: Callable[..., Running]) -> None:
    running = start(max_sessions=1)
    with running.socket() as first, running.socket() as second:
        first.ask(1)
        assert first.final(1)
        second.ask(1)
        assert line(second)["what"] == "seat"
        second.say({"pause": True})
        assert line(second) == SEATED_LINE
        first.connection.close()
        second.ask(2)
        assert second.final(2)


def test_what_is_wrong_is_said_at_once_without_a_seat(start: Callable[..., Running]) -> None:
    running = start(max_sessions=1)
    with running.socket() as first, running.socket() as second:
        first.ask(1)
        assert first.final(1)
        second.ask(1, num_inference_steps=3)
        assert second.error()["field"] == "num_inference_steps"


def test_the_place_in_the_engines_line_is_told_until_it_begins(
    start: Callable[..., Running],
) -> None:
    engine = FakeEngine()
    engine.line = Forecast(ahead=3, wait=2.2, work=0.5)
    with start(engine).socket() as tab:
        tab.ask(1)
        assert line(tab) == {"type": "line", "what": "picture", "ahead": 3, "seconds": 3}
        engine.line = Forecast(ahead=1, wait=0.4, work=0.5)  # told all the same: it stood there
        assert line(tab) == {"type": "line", "what": "picture", "ahead": 1, "seconds": 1}
        engine.line = None
        assert line(tab) == SEATED_LINE
        assert tab.final(1)


def test_a_short_wait_is_not_worth_a_word(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    engine.line = Forecast(ahead=3, wait=0.9, work=0.5)
    with start(engine).socket() as tab:
        tab.ask(1)
        wait_for(lambda: engine.asked_for_forecasts > 2)
        engine.line = None
        assert all(message["type"] == "frame" for message in tab.final(1))


def test_only_so_many_pages_are_open_at_one_address(start: Callable[..., Running]) -> None:
    running = start(sessions_per_address=2)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running.socket()).receive()
        third = stack.enter_context(running.socket())
        assert "2 pages are open at your address" in third.error()["message"]
        with pytest.raises(ConnectionClosed):
            third.receive()
        # The header of a proxy on this machine is believed.
        other = {"X-Forwarded-For": "203.0.113.7"}
        with running.socket(additional_headers=other) as tab:
            assert tab.receive()["type"] == "status"


# The same over Gradio's events ---------------------------------------------------------------


@contextlib.contextmanager
def events(running: Running) -> Iterator[Client]:
    client = Client(running.url, verbose=False, analytics_enabled=False)
    yield client
    client.close()


def ask(sequence: int, prompt: str) -> str:
    return json.dumps({"sequence": sequence, "request": {"prompt": prompt}})


def test_over_events_too_a_page_waits_is_told_and_gets_in(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    engine.line = Forecast(ahead=2, wait=3.0, work=0.5)
    running = start(engine, max_sessions=1)
    with running.socket() as first, events(running) as client:
        first.ask(1, "first")
        assert line(first)["what"] == "picture"
        job = client.submit(ask(1, "second"), api_name="/live")
        wait_for(lambda: any(m.get("what") == "seat" for m in texts(job)))
        first.connection.close()
        wait_for(lambda: any(m.get("what") == "picture" for m in texts(job)))
        engine.line = None
        job.result(timeout=20)
        said = texts(job)
        kinds = [message.get("what") for message in said if message["type"] == "line"]
        assert kinds[0] == "seat" and kinds[-1] is None
        assert said[-1]["type"] == "frame" and said[-1]["final"]


def test_over_events_too_addresses_are_limited(start: Callable[..., Running]) -> None:
    running = start(sessions_per_address=1)
    with running.socket() as tab, events(running) as client:
        tab.receive()
        job = client.submit(ask(1, "one more"), api_name="/live")
        assert "1 pages are open at your address" in job.result(timeout=20)
