"""What all routes share: the engine, the open pages, and whether the server is shutting down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..engine.base import Engine
from ..engine.metrics import Metrics
from ..errors import EngineUnavailable, RateLimited
from ..settings import Settings
from . import messages
from .addresses import discount
from .admission import Admission, Seats
from .live_connection import LiveConnection
from .painting import Painting
from .stage.stage import Stage

log = logging.getLogger(__name__)

MAX_PAGES = 1000
POLL_SECONDS = 0.25
LOAD_SECONDS = 1.0  # between two messages about the load, to a page that shows them
GOODBYE_SECONDS = 1.0
# All phones are one client of the engine, whose pictures give way to all others.
AUDIENCE = ("audience",)
PHONE_STALE_MS = 1_000.0


class Service:
    """The engine as the web sees it. Everything but the constructor belongs to one loop."""

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics | None = None) -> None:
        """
        Args:
            metrics: where the engine writes what it measures; absent: it measures nothing.
        """
        self.engine = engine
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.painting = Painting(engine, self.metrics)
        self.stage = Stage(settings, engine) if settings.stage else None
        self.draining = False
        self._admission = Admission(settings.max_sessions)
        self._connections: dict[LiveConnection, str] = {}  # and their addresses
        self._pages: Counter[str] = Counter()  # by address
        self._told: dict[str, Any] = {}
        self._teller: asyncio.Task[None] | None = None

    def status(self) -> dict[str, Any]:
        """The state of engine and server as a message."""
        return messages.status(self.engine.status(), draining=self.draining)

    def load(self) -> dict[str, Any]:
        """How much there is to do, as a message."""
        return messages.load(self.metrics.summary(), self.metrics.engine_rows())

    def exposition(self) -> bytes:
        """All metrics as they are now, in Prometheus' text format; from any thread.

        Replicas on other machines are asked for theirs, which takes a second at the most.
        """
        status = self.engine.status()
        self.metrics.waiting(status.waiting)
        self.metrics.engines(status.engines_ready, status.engines)
        return self.metrics.exposition()

    def open(self, address: str = "", seats: Seats | None = None) -> LiveConnection:
        """A new connection with a page at `address`.

        Args:
            seats: of a phone of the audience or a player; such connections take turns as one.

        Raises:
            EngineUnavailable: when too many are open, or the server is going away.
            RateLimited: when too many are open at that address.
        """
        if self.draining:
            raise EngineUnavailable(messages.DRAINING)
        if len(self._connections) >= MAX_PAGES:
            raise EngineUnavailable(
                f"{MAX_PAGES} pages are open already, as many as this server takes; "
                "try again in a minute."
            )
        limit = self.settings.sessions_per_address
        if limit and self._pages[address] >= limit:
            raise RateLimited(
                f"{limit} pages are open at your address already, as many as this server takes "
                "from one; close another."
            )
        if seats is None:
            connection = LiveConnection(self.engine, self.settings, self._admission)
        else:
            settings = phone_settings(self.settings)
            connection = LiveConnection(self.engine, settings, seats, AUDIENCE, yields=True)
        self._tell_status()
        connection.outbox.put(self._told)
        self._connections[connection] = address
        self._pages[address] += 1
        self._count_sessions()
        if self._teller is None:
            self._teller = asyncio.create_task(self._tell_often(), name="tell")
        return connection

    async def close(self, connection: LiveConnection) -> None:
        """Ends a connection and its work."""
        address = self._connections.pop(connection, None)
        if address is not None:
            discount(self._pages, address)
        self._count_sessions()
        if not self._connections and self._teller is not None:
            self._teller.cancel()
            self._teller = None
        await connection.aclose()

    async def drain(self, seconds: float) -> None:
        """Takes nothing new, lets running pictures finish for up to `seconds`, ends all."""
        self.draining = True
        self.painting.drain()
        for connection in self._connections:
            connection.drain()
        await _until(lambda: not self._busy(), seconds)
        for connection in self._connections:
            connection.ended.set()
        if self.stage is not None:
            self.stage.close()
        # Ended sockets say goodbye themselves; events end with the server.
        await _until(lambda: not self._connections, GOODBYE_SECONDS)
        for connection in list(self._connections):
            await self.close(connection)

    def _busy(self) -> bool:
        return self.painting.busy or any(each.painting for each in self._connections)

    async def _tell_often(self) -> None:
        """Tells all pages what is new; one task for all, so that an idle page costs nothing."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                self._tell()
            except Exception:  # it may go well next time, and all pages depend on it
                log.exception("while telling what is new")

    def _tell_status(self) -> None:
        before, self._told = self._told, self.status()
        # Not for the number of waiting requests, which changes all the time.
        if {**self._told, "waiting": 0} != {**before, "waiting": 0}:
            for connection in self._connections:
                connection.outbox.put(self._told)

    def _tell(self) -> None:
        self._tell_status()
        self._admission.advance()
        if self.stage is not None:
            self.stage.advance()
        self._count_sessions()
        now = time.monotonic()
        for connection in self._connections:
            if connection.watching and now >= connection.load_due:
                connection.load_due = now + LOAD_SECONDS
                connection.outbox.put(self.load())
            if connection.busy:
                connection.tell_wait()

    def _count_sessions(self) -> None:
        # Not the lines' own lengths: a phone that sleeps keeps its place, and is no page.
        waiting = sum(connection.waits_for_seat for connection in self._connections)
        self.metrics.sessions(len(self._connections) - waiting, waiting)


def phone_settings(settings: Settings) -> Settings:
    """How phones are painted for: without guesses and drafts, and patiently while they type."""
    patient = max(settings.max_stale_ms, PHONE_STALE_MS)
    return replace(settings, ahead=False, latency_budget=0.0, max_stale_ms=patient)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits for a condition that nothing announces, for at most `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition() and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
