"""Fixtures: real servers on free ports, with an engine that needs no model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from gradio_client.client import Job
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_to

from lightning_demo.engine.base import Engine
from lightning_demo.settings import Settings
from lightning_demo.web import messages
from lightning_demo.web.live_connection import LiveConnection
from lightning_demo.web.server import Server

from .fakes import FakeEngine

PATIENCE = 60.0  # seconds; only a failure waits that long
# A client with more than a few unread messages stops reading, and then closing it takes 10 s.
connect = partial(connect_to, max_size=None, max_queue=None)


class Running:
    """A server that runs in this process, and its engine."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        self.engine: Any = engine
        self.server = Server(engine, Settings(port=0, **settings))
        self.server.start()
        self.url = self.server.url.rstrip("/")

    @property
    def pages(self) -> Collection[LiveConnection]:
        """The connections with open pages."""
        return self.server._service._connections

    @contextmanager
    def socket(self, **options: Any) -> Iterator[Tab]:
        """One WebSocket to `/live`."""
        address = self.url.replace("http", "ws") + "/live"
        with connect(address, **options) as connection:
            yield Tab(connection)


class Tab:
    """What a page does with its socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._last: dict[str, Any] | None = None  # message, if it was waited for

    def ask(self, sequence: int, prompt: str = "a cat", **fields: Any) -> None:
        request = {"prompt": prompt, "seed": 1, **fields}
        self.say({"sequence": sequence, "request": request})

    def say(self, message: object) -> None:
        self._last = None
        self.connection.send(message if isinstance(message, str) else json.dumps(message))

    def receive(self) -> dict[str, Any]:
        """The next message; a frame's picture is under `data`."""
        content = self.connection.recv(timeout=PATIENCE)
        if isinstance(content, str):
            return json.loads(content)
        header, data = messages.split_frame(content)
        return {**header, "data": data}

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """All messages up to the first wanted one; statuses are left out unless wanted."""
        received = []
        while True:
            message = self.receive()
            if wanted(message):
                self._last = message
                return [*received, message]
            if message["type"] != "status":
                received.append(message)

    def final(self, sequence: int) -> list[dict[str, Any]]:
        """All messages up to the final frame of `sequence`.

        It may be the frame that has just been waited for: on a crowded machine a final replaces all
        previews.
        """

        def wanted(message: dict[str, Any]) -> bool:
            return message.get("final", False) and message["sequence"] == sequence

        last, self._last = self._last, None
        received = [last] if last is not None and wanted(last) else self.until(wanted)
        self._last = None
        return received

    def error(self) -> dict[str, Any]:
        return self.until(lambda m: m["type"] == "error")[-1]


def texts(*jobs: Job) -> list[dict[str, Any]]:
    """What jobs were answered; one that a newer message took over from ends with nothing."""
    return [json.loads(output) for job in jobs for output in job.outputs() if output]


def wait_for(condition: Callable[[], object]) -> None:
    """Waits until something is true, however slow the machine is."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.01)


@contextmanager
def one_application() -> Iterator[None]:
    """Lets Gradio make one application for a page, the one that serves it.

    It makes two more, when the page is complete and when its queue is set, and throws them away;
    that is most of a start, and there is no option. Programs that people start do as ever.
    """
    from gradio.routes import App  # as `web.server` has imported it

    create = App.create_app

    def create_to_serve(*blocks: Any, **options: Any) -> App | None:
        return create(*blocks, **options) if "app_kwargs" in options else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "create_app", staticmethod(create_to_serve))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_app_a_page() -> Iterator[None]:
    """All servers in this process start so."""
    with one_application():
        yield


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """A server for tests that leave no trace in it."""
    server = Running(FakeEngine())
    yield server
    server.server.stop()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts servers of one's own: `start(FakeEngine(), auth="a:b")`."""
    started: list[Running] = []

    def make(engine: FakeEngine | None = None, **settings: Any) -> Running:
        started.append(Running(engine or FakeEngine(), **settings))
        return started[-1]

    yield make
    for server in started:
        server.server.stop()
