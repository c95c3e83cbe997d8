"""A presenter and screens on real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from lightning_demo.web import messages

from ..conftest import PATIENCE, Running, Tab
from ..fakes import FakeEngine


class Presenter(Tab):
    """A page that presents, by its live socket."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__(connection)
        self.sequence = 0
        self.held: dict[str, str] = {}  # code and token
        self.acts = 0
        self.switches: dict[str, Any] = {}  # of the audience

    def wish(self, **fields: Any) -> dict[str, Any]:
        """Says what it wants of its wall; returns the answer."""
        present = {**self.held, "audience": self.switches, **fields}
        self.say({"sequence": self.sequence, "present": present})
        answer = self.until(lambda m: m["type"] == "wall")[-1]
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
        return self.header

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


class Hall:
    """A server with a stage."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.url

    @contextmanager
    def presenter(self, **options: Any) -> Iterator[Presenter]:
        address = self.address.replace("http", "ws") + "/live"
        with connect(address, max_size=None, **options) as connection:
            yield Presenter(connection)

    @contextmanager
    def phone(self, code: str, token: str = "", **options: Any) -> Iterator[Phone]:
        address = self.address.replace("http", "ws") + f"/audience/live?code={code}"
        with connect(address, max_size=None, **options) as connection:
            yield Phone(connection, token)

    @contextmanager
    def screen(self, code: str, rest: str = "", **options: Any) -> Iterator[ScreenSocket]:
        address = self.address.replace("http", "ws") + f"/stage/follow?code={code}{rest}"
        with connect(address, max_size=None, **options) as connection:
            yield ScreenSocket(connection)


@pytest.fixture(scope="session")
def place() -> Iterator[Hall]:
    """A server for tests that leave it as it was."""
    running = Running(FakeEngine(), stage=True)
    yield Hall(running)
    running.server.stop()


@pytest.fixture(scope="session")
def crowd() -> Iterator[Hall]:
    """A server with an audience, for tests that leave it as it was: each has a wall of its own."""
    running = Running(FakeEngine(), stage=True, audience=True)
    yield Hall(running)
    running.server.stop()


@pytest.fixture
def hall(start: Callable[..., Running]) -> Callable[..., Hall]:
    """`hall(presenter_password="secret")`: a server of one's own with a stage."""
    return lambda **settings: Hall(start(stage=True, **settings))
