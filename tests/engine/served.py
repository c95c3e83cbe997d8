"""Real servers for tests of engines that are elsewhere: uvicorn on a port, and our own API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from lightning_demo.engine.base import Engine, Requeued, Started, Value
from lightning_demo.engine.remote import RemoteEngine
from lightning_demo.schemas import Frame
from lightning_demo.settings import Settings
from lightning_demo.web import api
from lightning_demo.web.api import native, work, work_connection
from lightning_demo.web.guard import Guard
from lightning_demo.web.service import Service

from ..web.fakes import Stage
from .moments import settle


def check_moved(seen: list[Value]) -> None:
    """It has begun twice, and no frame came twice."""
    kinds = [type(value) for value in seen if not isinstance(value, Frame)]
    first, second = kinds[: kinds.index(Requeued)], kinds[kinds.index(Requeued) + 1 :]
    for starts in (first, second):  # a frame may have replaced it before it was read
        assert starts in ([], [Started])
    steps = [value.step for value in seen if isinstance(value, Frame)]
    assert steps == sorted(set(steps)) and steps[-1] == 8
    assert isinstance(seen[-1], Frame) and seen[-1].final


class Served:
    """A server whose engine a test may exchange; all but the page of a real one."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        chosen = Settings(port=0, **settings)
        self.stage = Stage(engine)
        self.service = Service(self.stage, chosen)
        self.api = api.Api(self.service)
        routes = [*native.routes(self.api), *work.routes(self.api)]
        guard = Middleware(Guard, settings=chosen, shape_of=partial(api.shape_of, routes))
        app = Starlette(routes=routes, middleware=[guard])
        self._config = uvicorn.Config(
            app, port=0, log_config=None, log_level="warning", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(self._config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def streams(self) -> int:
        """Pictures that are asked for at this moment."""
        return self.service.painting._pictures.total()

    @contextmanager
    def running(self) -> Iterator[Served]:
        with pytest.MonkeyPatch.context() as patch:
            # Both ends are in this process, and would know each other as one.
            for module in (work, work_connection):
                patch.setattr(module, "instance", lambda: "another server")
            self._thread.start()
            while not self._server.started:
                time.sleep(0.01)
            try:
                yield self
            finally:
                self._server.should_exit = True
                self._thread.join()

    async def agree(self, engine: RemoteEngine) -> None:
        """Waits until what was asked of `engine`, or given up, has arrived here, and the answer."""
        await settle()
        for _ in range(500):
            flows = tuple(engine._flows)
            waiting = sum(flow.waits and not flow.work.ahead for flow in flows)
            there = self.stage.status().waiting
            if len(flows) == self.streams and waiting == there and not engine._claiming:
                return
            await settle()
        raise AssertionError("the two do not agree")


async def until(condition: Callable[[], object]) -> None:
    """Waits until something is so; `run` ends what waits for ever."""
    while not condition():
        await settle()


async def ready(engine: Engine) -> None:
    """Waits until pictures can be asked for."""
    await until(lambda: engine.status().state == "ready")
