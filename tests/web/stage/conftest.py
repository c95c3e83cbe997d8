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

    def wish(self, **fields: Any) -> dict[str, Any]:
        """Says what it wants of its wall; returns the answer."""
        self.say({"sequence": self.sequence, "present": {**self.held, **fields}})
        answer = self.until(lambda m: m["type"] == "wall")[-1]
        if not answer["problem"]:
            self.held = {name: answer[name] for name in ("code", "token")}
        return answer

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


class Hall:
    """A server with a stage."""

    def __init__(self, running: Running) -> None:
        self.running = running

    @contextmanager
    def presenter(self, **options: Any) -> Iterator[Presenter]:
        address = self.running.url.replace("http", "ws") + "/live"
        with connect(address, max_size=None, **options) as connection:
            yield Presenter(connection)

    @contextmanager
    def screen(self, code: str, rest: str = "", **options: Any) -> Iterator[ScreenSocket]:
        address = self.running.url.replace("http", "ws") + f"/stage/follow?code={code}{rest}"
        with connect(address, max_size=None, **options) as connection:
            yield ScreenSocket(connection)


@pytest.fixture(scope="session")
def place() -> Iterator[Hall]:
    """A server for tests that leave it as it was."""
    running = Running(FakeEngine(), stage=True)
    yield Hall(running)
    running.server.stop()


@pytest.fixture
def hall(start: Callable[..., Running]) -> Callable[..., Hall]:
    """`hall(presenter_password="secret")`: a server of one's own with a stage."""
    return lambda **settings: Hall(start(stage=True, **settings))
