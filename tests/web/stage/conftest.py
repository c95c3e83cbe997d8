"""A presenter and screens on real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from lightning_demo.web import messages

from ..conftest import PATIENCE, Running, Tab, connect
from ..fakes import FakeEngine


class Presenter(Tab):
    """A page that presents, by its live socket."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__(connection)
        self.sequence = 0
        self.held: dict[str, str] = {}  # code and token
        self.acts = 0
        self.switches: dict[str, Any] = {}  # of the audience
        self.plan: dict[str, Any] = {}  # of a battle

    def wish(self, **fields: Any) -> dict[str, Any]:
        """Says what it wants of its wall; returns the answer."""
        present = {**self.held, "audience": self.switches, **fields}
        self.say({"sequence": self.sequence, "present": present})
        switches = {name: fields.get(name, False) for name in ("frozen", "blank")}

        def answers(message: dict[str, Any]) -> bool:
            # What was said of the wall before may still be unread.
            told = message["type"] == "wall"
            return told and (message["problem"] or switches.items() <= message.items())

        answer = self.until(answers)[-1]
        if not answer["problem"]:
            self.held = {name: answer[name] for name in ("code", "token")}
        return answer

    def tray(self, wanted: Callable[[dict[str, Any]], Any] = bool, **fields: Any) -> dict[str, Any]:
        """Says its wish, and waits until the tray is as wanted."""
        self.wish(**fields)
        return self.until(lambda m: m["type"] == "tray" and wanted(m))[-1]

    def act(self, verb: str, entry: int) -> dict[str, Any]:
        """Does something to a picture of the audience."""
        self.acts += 1
        act = {"number": self.acts, "verb": verb, "entry": entry}
        return self.tray(lambda m: m["done"] >= act["number"], acts=[act])

    def order(self, verb: str, **more: Any) -> dict[str, Any]:
        """Does something to a battle; returns how it stands when that is done."""
        self.acts += 1
        order = {"number": self.acts, "verb": verb, **more}
        self.wish(battle={"plan": self.plan, "orders": [order]})
        return self.battle(lambda m: m["done"] >= order["number"])

    def battle(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Waits until a battle is as wanted."""
        return self.until(lambda m: m["type"] == "battle" and wanted(m))[-1]

    def paint(self, prompt: str) -> None:
        """Asks for a picture and waits for it."""
        self.sequence += 1
        self.ask(self.sequence, prompt)
        self.final(self.sequence)


class ScreenSocket:
    """What a screen does with its socket, and what it shows."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames = 0
        self.scene: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.places: dict[str, dict[str, Any]] = {}  # pictures of a battle by their place

    def receive(self) -> dict[str, Any]:
        content = self.connection.recv(timeout=PATIENCE)
        if isinstance(content, str):
            message = json.loads(content)
            if message["type"] == "scene":
                self.scene = message
            return message
        self.frames += 1
        self.connection.send(json.dumps({"seen": self.frames}))
        header, data = messages.split_frame(content)
        self.header = {**header, "data": data}
        if "place" in header:
            self.places[header["place"]] = self.header
        return self.header

    @property
    def board(self) -> dict[str, Any]:
        """The battle that is shown; empty: none."""
        return self.scene.get("battle") or {}

    def phase(self, *phases: str) -> dict[str, Any]:
        """Waits for one of these phases of a battle."""
        self.until(lambda screen: screen.board.get("phase") in phases)
        return self.board

    def until(self, wanted: Callable[[ScreenSocket], Any]) -> None:
        """Reads on until it shows what is wanted."""
        while not wanted(self):
            self.receive()

    def prompt(self, text: str | None) -> None:
        self.until(lambda screen: screen.scene and screen.scene["prompt"] == text)


class Phone:
    """What a phone of the audience does with its socket."""

    def __init__(self, connection: ClientConnection, token: str = "") -> None:
        self.connection = connection
        self.sequence = self.frames = 0
        self.view: dict[str, Any] = {}
        self.say({"join": token})
        self.welcome = self.until(lambda m: m["type"] in ("welcome", "refused"))

    def say(self, message: object) -> None:
        self.connection.send(message if isinstance(message, str) else json.dumps(message))

    def receive(self) -> dict[str, Any]:
        content = self.connection.recv(timeout=PATIENCE)
        if isinstance(content, str):
            message = json.loads(content)
            if message["type"] == "hall":
                self.view = message
            return message
        self.frames += 1
        self.say({"seen": self.frames})
        header, data = messages.split_frame(content)
        return {**header, "data": data}

    def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first message that is wanted."""
        while not wanted(message := self.receive()):
            pass
        return message

    def sees(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Waits until the hall looks as wanted."""
        while not (self.view and wanted(self.view)):
            self.receive()
        return self.view

    def type(self, prompt: str, seed: int = 7) -> int:
        self.sequence += 1
        self.say({"prompt": prompt, "sequence": self.sequence, "seed": seed})
        return self.sequence

    def paint(self, prompt: str, seed: int = 7) -> dict[str, Any]:
        """Types and waits for the finished picture, or for why there is none."""
        sequence = self.type(prompt, seed)
        return self.until(
            lambda m: (m.get("final") or m["type"] == "prompt") and m["sequence"] == sequence
        )

    def send(self, prompt: str, seed: int = 7) -> str:
        """Paints and sends; returns what is wrong with that."""
        self.paint(prompt, seed)
        self.say({"send": self.sequence})
        return self.until(lambda m: m["type"] == "send")["problem"]


class Keyboard(Phone):
    """What a browser does that plays on a side of a battle."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.sequence = self.frames = 0
        self.view: dict[str, Any] = {}
        self.welcome = self.until(lambda m: m["type"] in ("welcome", "refused"))

    def receive(self) -> dict[str, Any]:
        message = super().receive()
        if message["type"] == "battle":
            self.view = message
        return message


class Hall:
    """A server with a stage."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.url

    @contextmanager
    def presenter(self, **options: Any) -> Iterator[Presenter]:
        address = self.address.replace("http", "ws") + "/live"
        with connect(address, **options) as connection:
            yield Presenter(connection)

    @contextmanager
    def phone(self, code: str, token: str = "", **options: Any) -> Iterator[Phone]:
        address = self.address.replace("http", "ws") + f"/audience/live?code={code}"
        with connect(address, **options) as connection:
            yield Phone(connection, token)

    @contextmanager
    def keyboard(self, code: str, **options: Any) -> Iterator[Keyboard]:
        address = self.running.url.replace("http", "ws") + f"/battle/live?code={code}"
        with connect(address, **options) as connection:
            yield Keyboard(connection)

    @contextmanager
    def screen(self, code: str, rest: str = "", **options: Any) -> Iterator[ScreenSocket]:
        address = self.address.replace("http", "ws") + f"/stage/follow?code={code}{rest}"
        with connect(address, **options) as connection:
            yield ScreenSocket(connection)


@pytest.fixture(scope="session")
def place() -> Iterator[Hall]:
    """A server for tests that leave it as it was."""
    running = Running(FakeEngine(), stage=True)
    yield Hall(running)
    running.server.stop()


@pytest.fixture(scope="session")
def crowd() -> Iterator[Hall]:
    """A server with an audience, for tests that leave it as it was: each has a wall of its own.

    Seats are kept for a while after a test, for phones that may come back.
    """
    running = Running(FakeEngine(), stage=True, audience=True, audience_seats=64)
    yield Hall(running)
    running.server.stop()


@pytest.fixture
def hall(start: Callable[..., Running]) -> Callable[..., Hall]:
    """`hall(presenter_password="secret")`: a server of one's own with a stage."""
    return lambda **settings: Hall(start(stage=True, **settings))
