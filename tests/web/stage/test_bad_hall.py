"""Laptops that sleep, servers that are started anew, what is replayed, and a storm: the wall keeps
to what was released. Real servers, real sockets.
"""

from __future__ import annotations

import io
import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed

from ..conftest import wait_for
from ..fakes import color_of
from .conftest import Hall, Phone, Presenter, ScreenSocket
from .relay import Relay
from .test_audience import FORGED, near, sent

Make = Callable[..., Hall]


class Lined(Hall):
    """A hall that is reached by a line of one's own."""

    def __init__(self, hall: Hall, relay: Relay) -> None:
        super().__init__(hall.running)
        self.address = relay.url


class Watched:
    """A screen in a thread of its own, and all that was ever on it."""

    def __init__(self, screen: ScreenSocket) -> None:
        self.screen = screen
        self.scenes: list[dict[str, Any]] = []
        self.pictures: list[bytes] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.screen.connection.close()
        self._thread.join()

    def has_shown(self, prompt: str) -> bool:
        return any(scene["prompt"] == prompt for scene in list(self.scenes))

    def _watch(self) -> None:
        try:
            while True:
                message = self.screen.receive()
                if message["type"] == "scene":
                    self.scenes.append(message)
                elif message["type"] == "frame":
                    self.pictures.append(message["data"])
        except (ConnectionClosed, TimeoutError):
            pass


def audience(hall: Hall, code: str) -> Any:
    stage = hall.running.server._service.stage
    return stage.audiences.of(stage.walls.find(code))


def test_a_laptop_that_sleeps_for_long_loses_nothing_and_shows_nothing_late(hall: Make) -> None:
    place = hall(audience=True)
    config = place.running.server._blocks.server.config
    config.ws_ping_interval = 0.3  # minutes are over soon, but nobody who is awake is that slow
    config.ws_ping_timeout = 3.0
    walls = place.running.server._service.stage.walls
    with Relay(place.running.url) as relay, ExitStack() as stack:
        laptop = Lined(place, relay)
        presenter = stack.enter_context(laptop.presenter())
        code = presenter.wish()["code"]
        config.ws_ping_interval = config.ws_ping_timeout = None  # nobody else sleeps
        phone = stack.enter_context(place.phone(code))
        wall = stack.enter_context(closing(Watched(stack.enter_context(place.screen(code)))))
        presenter.paint("a boat")
        wait_for(lambda: wall.has_shown("a boat"))

        relay.sleep()
        presenter.ask(99, "typed while the lid fell")
        presenter.say({"sequence": 99, "present": {**presenter.held, "blank": True}})
        wait_for(lambda: walls.find(code).presenter is None)
        assert phone.send("sent meanwhile") == ""
        relay.wake()
        with pytest.raises(ConnectionClosed):
            while True:
                presenter.receive()

        again = stack.enter_context(laptop.presenter())
        again.held = presenter.held
        tray = again.tray(lambda m: m["waiting"])
        assert [entry["prompt"] for entry in tray["waiting"]] == ["sent meanwhile"]
        assert len(wall.scenes) and wall.scenes[-1]["prompt"] == "a boat"
        again.act("release", tray["waiting"][0]["entry"])
        wait_for(lambda: wall.has_shown("sent meanwhile"))
        assert not any(scene["blank"] for scene in wall.scenes)
        assert not wall.has_shown("typed while the lid fell")
    assert all("lid" not in request.prompt for request in place.running.engine.requests)


def test_after_a_nap_desk_and_phone_have_the_newest(crowd: Hall) -> None:
    with Relay(crowd.running.url) as relay, crowd.phone("none") as nobody:
        assert nobody.welcome["why"] == "code"
        asleep = Lined(crowd, relay)
        with asleep.presenter() as presenter:
            code = presenter.wish()["code"]
            with asleep.phone(code) as napping, crowd.phone(code) as phone:
                napping.paint("before")
                relay.sleep()
                sequence = napping.type("asleep in mid-word")
                for number in range(3):
                    assert phone.send(f"number {number}") == ""
                assert len(audience(crowd, code).tray.waiting) == 3
                relay.wake()
                napping.until(lambda m: m.get("final") and m["sequence"] == sequence)
                tray = presenter.tray(lambda m: len(m["waiting"]) == 3)
                presenter.act("release", tray["waiting"][0]["entry"])
                napping.sees(lambda v: v["shown"] and v["shown"]["prompt"] == "number 0")


def test_after_a_restart_phones_come_back_by_themselves_as_new_ones(hall: Make) -> None:
    first, second = hall(audience=True), hall(audience=True)
    with first.presenter() as presenter:
        code = presenter.wish()["code"]
        with first.phone(code) as one, first.phone(code) as phone:
            sent(presenter, phone, "before")
            assert (one.welcome["number"], phone.welcome["number"]) == (1, 2)
    token, held = phone.welcome["token"], presenter.held
    with second.presenter() as presenter:
        with second.phone(code, token) as early:
            assert early.welcome["why"] == "code", "its page tries again until the desk is there"
        presenter.held = held
        assert presenter.wish()["code"] == code
        with second.phone(code, token) as phone:
            assert phone.welcome["number"] == 1 and phone.welcome["token"] != token
            assert presenter.tray()["waiting"] == [], "what waited is gone"
            sent(presenter, phone, "after")


def test_a_phone_that_is_opened_again_and_again_is_one_phone(crowd: Hall) -> None:
    with crowd.presenter() as presenter, ExitStack() as stack:
        code = presenter.wish()["code"]
        first = stack.enter_context(crowd.phone(code))
        for _ in range(60):
            again = stack.enter_context(crowd.phone(code, first.welcome["token"]))
            assert again.welcome["number"] == first.welcome["number"]
        again.paint("still one")
        wait_for(lambda: len(audience(crowd, code).members.connected) == 1)
        assert len(list(audience(crowd, code).members)) == 1


def test_what_is_said_again_is_done_once(crowd: Hall) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as phone, crowd.screen(code) as screen:
            entries = [sent(presenter, phone, prompt) for prompt in ("a boat", "a tree")]
            for entry in entries:
                presenter.act("release", entry)
            screen.prompt("a tree")
            replayed = {"number": 1, "verb": "release", "entry": entries[0]}
            presenter.tray(acts=[replayed])
            presenter.tray()
            assert audience(crowd, code).wall.shown.prompt == "a tree"


def test_codes_and_tokens_of_another_talk_open_nothing(crowd: Hall) -> None:
    with crowd.presenter() as one, crowd.presenter() as other:
        first, second = one.wish()["code"], other.wish()["code"]
        with crowd.phone(first) as here, crowd.phone(first):
            with crowd.phone(second, here.welcome["token"]) as there:
                assert there.welcome["number"] == 1
                assert there.welcome["token"] != here.welcome["token"]
                sent(other, there, "for the other")
            assert here.sees(lambda v: v["open"])["sent"] == []
            assert one.tray()["waiting"] == []
            forged = {"code": first, "token": other.held["token"], "blank": True}
            other.say({"sequence": 1, "present": forged})
            assert other.until(lambda m: m["type"] == "wall")[-1]["code"] != first
            assert not one.wish()["blank"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # as words, by whoever shows it
        ("Z" + "\u0301\u0302\u0303\u0304\u0305" * 20 + "algo", "\u0179\u0302\u0303\u0304algo"),
        ("a\u202eb\u2066c\u0000d\n\te", "abcd e"),
        ("'\"><img src=x onerror=alert(1)>", "'\"><img src=x onerror=alert(1)>"),
    ],
)
def test_strange_words_are_one_harmless_line_for_desk_wall_and_hall(
    crowd: Hall, text: str, shown: str
) -> None:
    with crowd.presenter() as presenter:
        code = presenter.wish()["code"]
        with crowd.phone(code) as phone, crowd.phone(code) as other, crowd.screen(code) as screen:
            phone.say({"name": text[:20]})
            name = phone.until(lambda m: m["type"] == "name")
            assert name["problem"] == "" and "\n" not in name["name"]
            entry = sent_as(presenter, phone, text)
            assert entry["prompt"] == shown
            presenter.act("release", entry["entry"])
            screen.prompt(shown)
            assert screen.scene["by"]["name"] == name["name"] == entry["by"]["name"]
            assert other.sees(lambda v: v["shown"])["shown"]["prompt"] == shown


def sent_as(presenter: Presenter, phone: Phone, text: str) -> dict[str, Any]:
    assert phone.send(text) == ""
    entry: dict[str, Any] = presenter.tray(lambda m: m["waiting"])["waiting"][-1]
    return entry


def test_in_a_storm_the_wall_shows_what_was_typed_and_released_and_nothing_else(
    crowd: Hall,
) -> None:
    rng = random.Random(17)
    typed, released = [], set()

    def storm(number: int, phone: Phone) -> None:
        for picture in range(4):
            phone.send(f"phone {number} picture {picture}")
            for forged in FORGED:
                phone.say(json.dumps(forged))
            phone.type(f"never sent {number} {picture}")
            phone.say({"vote": picture, "on": True})
            phone.say({"name": f"phone {number}"})

    with crowd.presenter() as presenter, ExitStack() as stack:
        code = presenter.wish()["code"]
        wall = stack.enter_context(closing(Watched(stack.enter_context(crowd.screen(code)))))
        phones = [stack.enter_context(crowd.phone(code)) for _ in range(4)]
        pool = stack.enter_context(ThreadPoolExecutor(len(phones)))
        storms = [pool.submit(storm, *each) for each in enumerate(phones)]
        for number in range(25):
            switches = {name: rng.random() < 0.3 for name in ("frozen", "blank")}
            waiting = presenter.tray(**switches)["waiting"]
            if waiting and rng.random() < 0.8:
                entry, verb = rng.choice(waiting), rng.choice(("release", "pin", "skip"))
                if verb != "skip":
                    released.add(entry["prompt"])
                presenter.act(verb, entry["entry"])
            else:
                typed.append(f"typed {number}")
                presenter.paint(typed[-1])
        for each in storms:
            each.result()
        presenter.wish(frozen=False, blank=False)
        presenter.paint("the end")
        typed.append("the end")
        tray = presenter.tray()
        for entry in tray["released"]:
            if entry["shown"]:
                presenter.act("unpin", entry["entry"])
        presenter.paint("the very end")
        typed.append("the very end")
        wait_for(lambda: wall.has_shown("the very end"))
    for scene in wall.scenes:
        if scene["sent"]:
            assert scene["prompt"] in released
        else:
            assert scene["prompt"] in (None, *typed)
    allowed = [color_of(prompt) for prompt in (*typed, *released)]
    for data in wall.pictures:
        assert Image.open(io.BytesIO(data)).size == (256, 256)
        assert any(near(data, colour) for colour in allowed)
