"""Messages that come so close together that none has been acted on before the next is read."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, cast

from starlette.websockets import WebSocket

from lightning_demo import __version__
from lightning_demo.engine.base import Work
from lightning_demo.engine.wire import Record, unpack
from lightning_demo.engine.wire_fields import work_fields
from lightning_demo.schemas import GenerationRequest
from lightning_demo.web.api.work_connection import Site, WorkConnection
from lightning_demo.web.callers import Caller
from lightning_demo.web.painting import Painting

from ..fakes import LIMITS, STATUS, FakeEngine

SERVER = Caller("key", "another server", server=True)
A_CAT = GenerationRequest.parse({"prompt": "a cat", "seed": 7}, LIMITS)

Run = Callable[[Coroutine[Any, Any, None]], None]


class OneBurst:
    """A socket on which all messages are there at once, and which is left when all works ended."""

    def __init__(self, *messages: Any, works: int = 1) -> None:
        self._messages = [json.dumps(message) for message in messages]
        self._works, self._over = works, asyncio.Event()
        self.ends: list[Record] = []

    async def receive(self) -> dict[str, Any]:
        if self._messages:
            return {"type": "websocket.receive", "text": self._messages.pop(0)}
        await self._over.wait()
        return {"type": "websocket.disconnect"}

    async def send_bytes(self, data: bytes) -> None:
        record = unpack(data)
        if record.is_last:
            self.ends.append(record)
        if len(self.ends) == self._works:
            self._over.set()


def sent(work: Work, name: str = "one") -> dict[str, Any]:
    return {
        "name": name,
        "version": __version__,
        "fingerprint": STATUS.fingerprint,
        "instance": "another",
        "work": work_fields(work, time.monotonic()),
        "raw": False,
    }


async def serve(engine: FakeEngine, socket: OneBurst, caller: Caller = SERVER) -> None:
    site = Site(engine, Painting(engine), lambda _: caller, lambda: False)
    await WorkConnection(site, cast(WebSocket, socket)).serve()
    await engine.aclose()


def test_a_claim_that_comes_before_its_work_has_begun_counts(run: Run) -> None:
    async def check() -> None:
        engine, work = FakeEngine(), Work(A_CAT, paused=False)
        claim = {"name": "one", "work": work_fields(replace(work, paused=True), time.monotonic())}
        socket = OneBurst(sent(work), claim)
        await serve(engine, socket)
        assert [each.paused for each in engine.works] == [True]
        assert [end.kind for end in socket.ends] == ["frame"]

    run(check())


def test_what_is_one_too_many_is_refused_and_may_go_elsewhere(run: Run) -> None:
    async def check() -> None:
        socket = OneBurst(sent(Work(A_CAT)), sent(Work(replace(A_CAT, seed=8)), "two"), works=2)
        await serve(FakeEngine(), socket, replace(SERVER, at_once=1))
        assert {end.name: end.kind for end in socket.ends} == {"one": "frame", "two": "refused"}

    run(check())
