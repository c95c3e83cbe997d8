"""The socket, as a page sees it: real server, real connections."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from PIL import Image
from starlette.types import Message
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed

from lightning_demo.errors import GenerationFailed
from lightning_demo.settings import Settings
from lightning_demo.web import live_socket, messages, service
from lightning_demo.web.live_socket import (
    BYTES,
    FRAMES_IN_FLIGHT,
    MESSAGES,
    WINDOW_SECONDS,
    InboundThrottle,
)
from lightning_demo.web.messages import ClientMessage

from .conftest import Running, wait_for
from .fakes import STATUS, FakeEngine, FakePair, color_of
from .malformed import MALFORMED

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_the_status_comes_first(running: Running) -> None:
    with running.socket() as tab:
        status = tab.receive()
    assert (status["type"], status["state"], status["model"]) == ("status", "ready", "miniature")


def test_a_changeover_is_told_and_the_next_picture_is_the_others(
    start: Callable[..., Running],
) -> None:
    pair = FakePair()
    with start(pair.engine).socket() as tab:
        status = tab.receive()
        assert (status["model"], status["loading_title"]) == ("miniature", "SDXL-Lightning")
        tab.ask(1, width=1216, height=832)
        frame = tab.final(1)[-1]
        assert (frame["model"], frame["width"], frame["height"]) == ("miniature", 384, 256)
        pair.wanted.say(progress=0.5)
        assert tab.until(lambda m: m.get("progress") == 0.5)[-1]["state"] == "ready"
        pair.arrive()
        status = tab.until(lambda m: m["type"] == "status" and not m["loading_model"])[-1]
        assert (status["model"], status["device"]) == ("sdxl-lightning", "NVIDIA H200")
        tab.ask(2, width=1216, height=832)
        frame = tab.final(2)[-1]
        assert (frame["model"], frame["width"], frame["height"]) == ("sdxl-lightning", 1216, 832)


def test_frames_come_step_by_step_and_end_with_the_final(running: Running) -> None:
    with running.socket() as tab:
        tab.ask(1, "a red cat", num_inference_steps=8)
        frames = tab.final(1)
    steps = [frame["step"] for frame in frames]
    assert steps == sorted(steps) and steps[-1] == 8
    assert all(frame["prompt"] == "a red cat" and frame["seed"] == 1 for frame in frames)
    picture = Image.open(io.BytesIO(frames[-1]["data"]))
    assert picture.size == (256, 256)
    colors = zip(picture.getpixel((64, 64)), color_of("a red cat"), strict=True)
    assert all(abs(a - b) < 16 for a, b in colors)


def test_the_last_word_wins_and_no_frame_goes_backwards(running: Running) -> None:
    sentence = "a boat on the sea"
    with running.socket() as tab:
        for length in range(1, len(sentence) + 1):
            tab.ask(length, sentence[:length])
        frames = tab.final(len(sentence))
    sequences = [frame["sequence"] for frame in frames]
    assert sequences == sorted(sequences)
    assert frames[-1]["prompt"] == sentence


def test_what_is_malformed_is_answered_and_the_socket_goes_on(running: Running) -> None:
    with running.socket() as tab:
        for name, text in MALFORMED.items():
            if len(text) >= 2**20:
                continue  # ends the connection; a test of its own
            tab.say(text)
            assert tab.error()["message"], name
        tab.ask(50)
        assert tab.final(50)


def test_binary_rubbish_is_answered(running: Running) -> None:
    with running.socket() as tab:
        tab.connection.send(b"\x00\xff\xfe")
        assert "JSON" in tab.error()["message"]


def test_an_error_names_its_request_and_its_field(running: Running) -> None:
    with running.socket() as tab:
        tab.ask(8, num_inference_steps=3)
        error = tab.error()
    assert (error["sequence"], error["field"]) == (8, "num_inference_steps")
    assert "2, 4, 8" in error["message"]


def test_a_message_too_large_ends_only_its_own_connection(running: Running) -> None:
    with running.socket() as good, running.socket() as bad:
        with pytest.raises(ConnectionClosed) as caught:
            bad.say("x" * (2**20 + 1))
            while True:
                bad.receive()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009
        good.ask(1)
        assert good.final(1)


def test_two_tabs_never_mix(running: Running) -> None:
    with running.socket() as one, running.socket() as other:
        for number in range(1, 6):
            one.ask(number, f"one {number}", seed=1)
            other.ask(number, f"other {number}", seed=2)
        ones, others = one.final(5), other.final(5)
    assert all(frame["prompt"].startswith("one") and frame["seed"] == 1 for frame in ones)
    assert all(frame["prompt"].startswith("other") and frame["seed"] == 2 for frame in others)


def answered(engine: FakeEngine, requests: int) -> bool:
    return len(engine.requests) >= requests and not engine.running


def test_a_page_that_acknowledges_is_never_far_behind(start: Callable[..., Running]) -> None:
    running = start(FakeEngine(step_seconds=0))
    with running.socket() as tab:
        tab.receive()  # the status
        tab.say({"seen": 0})
        for sequence in range(1, 31):
            tab.ask(sequence, f"number {sequence}")
            wait_for(partial(answered, running.engine, sequence))
        for number in range(1, FRAMES_IN_FLIGHT + 1):
            assert tab.receive()["sequence"] <= number
        tab.say({"seen": 1})
        newest = tab.receive()
    assert (newest["sequence"], newest["final"]) == (30, True)


def test_a_page_that_does_not_acknowledge_is_served_all_the_same(running: Running) -> None:
    with running.socket() as tab:
        for sequence in range(1, 9):
            tab.ask(sequence, f"number {sequence}")
            assert tab.final(sequence)


def test_pause_stops_the_work(start: Callable[..., Running]) -> None:
    running = start(FakeEngine(step_seconds=3600))
    with running.socket() as tab:
        tab.ask(1)
        wait_for(lambda: running.engine.running == 1)
        tab.say({"pause": True})
        wait_for(lambda: running.engine.running == 0)
        running.engine.step_seconds = 0
        tab.ask(2)
        assert tab.final(2)


def test_leaving_stops_the_work(start: Callable[..., Running]) -> None:
    running = start(FakeEngine(step_seconds=3600))
    with running.socket() as tab:
        tab.ask(1)
        wait_for(lambda: running.engine.running == 1)
    wait_for(lambda: running.engine.running == 0)


def test_loading_is_told_and_then_the_picture_comes(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    engine.say(state="loading", progress=0.25, detail="Reading the weights")
    with start(engine).socket() as tab:
        status = tab.receive()
        assert (status["state"], status["progress"]) == ("loading", 0.25)
        tab.ask(1)
        engine.say(state="ready", progress=None, detail="")
        assert tab.final(1)


def test_a_load_failure_is_told_in_words(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    engine.say(state="failed", detail="The weights are missing; run `download`.")
    with start(engine).socket() as tab:
        assert tab.receive()["detail"] == "The weights are missing; run `download`."
        tab.ask(1)
        assert "download" in tab.error()["message"]


def test_one_failed_picture_does_not_end_the_connection(start: Callable[..., Running]) -> None:
    engine = FakeEngine()
    engine.fault = lambda r: GenerationFailed("It broke.") if r.prompt == "bad" else None
    with start(engine).socket() as tab:
        tab.ask(1, "bad")
        error = tab.error()
        assert (error["sequence"], error["message"]) == (1, "It broke.")
        tab.ask(2, "good")
        assert tab.final(2)


def test_a_page_that_leaves_before_it_hears_that_the_server_is_full_is_no_fault(run: Run) -> None:
    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        if message["type"] != "websocket.accept":
            raise OSError("it has gone")

    async def come() -> None:
        full = service.Service(FakeEngine(), Settings(sessions_per_address=1))
        full.open("203.0.113.1")
        scope = {"type": "websocket", "headers": [], "client": ("203.0.113.1", 5)}
        await live_socket.serve_socket(full, WebSocket(scope, receive, send))
        await full.drain(0)

    run(come())


def test_more_pages_than_the_server_takes_are_told(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_PAGES", 1)
    running = start()
    with running.socket() as first:
        first.receive()
        with running.socket() as second:
            assert "1 pages are open already" in second.error()["message"]
            with pytest.raises(ConnectionClosed):
                second.receive()
        first.ask(1)
        assert first.final(1)

    def free() -> bool:
        with running.socket() as third:
            return third.receive()["type"] == "status"

    wait_for(free)


def test_status_is_sent_again_only_when_it_changes(start: Callable[..., Running]) -> None:
    engine = FakeEngine(status=STATUS)
    with start(engine).socket() as tab:
        assert tab.receive()["device"] == "cpu"
        engine.say(waiting=3)  # changes all the time and is not news
        engine.say(device="a bigger one")
        assert tab.receive()["device"] == "a bigger one"


# A flood: the newest message of each window, and never more than a share of the time -------------


class Clock:
    """An event loop's clock and its one timer; what acting takes passes on it too."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer: tuple[float, Callable[[], None]] | None = None

    def time(self) -> float:
        return self.now

    def perf_counter(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Clock:
        assert self.timer is None
        self.timer = (when, call)
        return self

    def cancel(self) -> None:
        self.timer = None

    def go(self, seconds: float) -> None:
        end = self.now + seconds
        while self.timer is not None and self.timer[0] <= end:
            (self.now, call), self.timer = self.timer, None
            call()
        self.now = max(self.now, end)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(live_socket, "time", clock)
    return clock


def word(number: int, length: int = 10) -> str:
    return json.dumps({"sequence": number, "request": {"prompt": "x" * length}})


def read(*texts: str) -> list[ClientMessage]:
    return [messages.parse(text) for text in texts]


def test_slow_typing_is_acted_at_once(clock: Clock) -> None:
    acted: list[Any] = []
    throttle = InboundThrottle(acted.append, clock)  # type: ignore[arg-type]
    for number in range(5):
        assert throttle.receive(word(number)) == 0.0
        assert acted[-1].sequence == number
        clock.go(WINDOW_SECONDS)


def test_of_a_flood_the_newest_of_each_window_is_acted_and_the_last_one_always(
    clock: Clock,
) -> None:
    acted: list[Any] = []
    throttle = InboundThrottle(acted.append, clock)  # type: ignore[arg-type]
    for number in range(1000):  # a second of them
        throttle.receive(word(number))
        clock.go(0.001)
    clock.go(WINDOW_SECONDS)
    assert (acted[0].sequence, acted[-1].sequence) == (0, 999)
    assert len(acted) <= 1.0 / WINDOW_SECONDS + 2


def test_an_acknowledgement_takes_no_words_place(clock: Clock) -> None:
    acted: list[Any] = []
    throttle = InboundThrottle(acted.append, clock)  # type: ignore[arg-type]
    watch = '{"watch": true}'
    for text in (word(0), word(1), '{"seen": 1}', watch, word(2), '{"seen": 2}', '{"seen":3}'):
        throttle.receive(text)
    clock.go(1.0)
    assert acted == read(word(0), watch, word(2), '{"seen":3}'), "in the order of the newest"


def test_who_takes_long_to_hear_is_acted_more_seldom(clock: Clock) -> None:
    acted: list[Any] = []

    def act(message: ClientMessage) -> None:
        acted.append(message)
        clock.now += 0.05

    throttle = InboundThrottle(act, clock)  # type: ignore[arg-type]
    begun = clock.now
    for number in range(100):
        clock.go(throttle.receive(word(number, BYTES)))  # which is when the next one is read
    assert 0.05 * len(acted) <= 0.11 * (clock.now - begun)


def test_reading_is_held_back_after_so_many_messages_or_bytes(clock: Clock) -> None:
    throttle = InboundThrottle(lambda message: None, clock)  # type: ignore[arg-type]
    throttle.receive("first")
    waits = [throttle.receive("{}") for _ in range(MESSAGES)]
    assert waits[: MESSAGES - 1] == [0.0] * (MESSAGES - 1) and waits[-1] > 0
    clock.go(1.0)
    throttle.receive("first")
    assert throttle.receive("x" * BYTES) > 0


def test_nothing_is_acted_after_the_end(clock: Clock) -> None:
    acted: list[Any] = []
    throttle = InboundThrottle(acted.append, clock)  # type: ignore[arg-type]
    throttle.receive(word(1))
    throttle.receive(word(2))
    throttle.close()
    clock.go(1.0)
    assert acted == read(word(1))


def test_reading_counts_as_time_too(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(text: str | bytes) -> ClientMessage:
        clock.now += 0.05
        return ClientMessage()

    monkeypatch.setattr(messages, "parse", parse)
    throttle = InboundThrottle(lambda message: None, clock)  # type: ignore[arg-type]
    begun = clock.now
    for _ in range(100):
        clock.go(throttle.receive("x" * BYTES))
    assert clock.now - begun >= 100 * 0.05 / 0.11


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.002, 0.02])), max_size=40),
)
def test_whatever_comes_the_last_request_and_the_last_acknowledgement_are_acted_on(
    sent: list[tuple[int, float]],
) -> None:
    clock, acted = Clock(), []
    throttle = InboundThrottle(acted.append, clock)  # type: ignore[arg-type]
    texts = []
    for number, (kind, pause) in enumerate(sent):
        kinds = (json.dumps({"seen": number}), word(number), '{"seen": -1}', '{"watch": 1}')
        texts.append(kinds[kind])
        throttle.receive(texts[-1])
        clock.go(pause)
    clock.go(1000.0)
    wanted = read(*texts)
    for kind in ("request", "seen"):
        last = [message for message in wanted if message.kind == kind][-1:]
        assert [message for message in acted if message.kind == kind][-1:] == last
    order = [message.sequence for message in acted if message.kind == "request"]
    assert order == sorted(order)
