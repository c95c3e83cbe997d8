"""An engine that paints for another process: a small server of its own, behind a key.

It answers what servers of this demo ask of each other (`api/work.py`), and what it measures. Who
starts and ends it: Ray (`replica.py`), or the process that serves the page (`engine_process.py`).
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import threading
import time
from functools import partial

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ..engine.base import Engine, Work
from ..engine.metrics import Metrics
from ..errors import EngineUnavailable, LightningError
from ..schemas import GenerationRequest
from ..settings import Settings
from . import api
from .api.access import KeyRequired, UnknownKey, given_key
from .api.work import site_routes
from .api.work_connection import Site
from .callers import Caller, trusted
from .guard import Guard
from .messages import MAX_MESSAGE_BYTES
from .painting import Painting

LOOK_SECONDS = 0.05
END_SECONDS = 2.0
WEB = trusted(Caller("key", "web"), at_once=100_000)  # who paints for how many, web processes know


class EngineServer:
    """See above. The engine starts to load its model at once."""

    def __init__(self, settings: Settings, key: str) -> None:
        """
        Args:
            key: that web processes send.
        """
        self._key = key
        self._draining = False
        self._metrics = Metrics()
        self._painter, self._local = self._engine(settings, self._metrics)
        self._painting = Painting(self._painter, self._metrics)

    @property
    def failed(self) -> bool:
        """Whether nothing will be painted here any more."""
        return self._painter.status().state in ("failed", "closed")

    def wait(self) -> float:
        """Seconds until a first step: of a stranger who came now, or half of all of late.

        Whichever is more: a stranger goes before the rest of what one program has asked for.
        """
        request = GenerationRequest.parse({"prompt": "a", "seed": 0}, self._painter.status().limits)
        forecast = self._local.forecast(Work(request))
        of_late = self._metrics.summary()["queue_wait_ms"] or 0.0
        return max(0.0 if forecast is None else forecast.wait, of_late / 1000)

    def listen(self, host: str) -> str:
        """Opens any free port of an address, in a thread of its own; returns where it is.

        Raises:
            EngineUnavailable: it cannot be opened.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        listener.bind((host, 0))
        named = f"[{host}]" if family == socket.AF_INET6 else host
        url = f"http://{named}:{listener.getsockname()[1]}"
        routes = self._routes()
        # Under any name: a key guards it, and a cluster's addresses are not known here.
        own = Settings(host="0.0.0.0", port=0)  # noqa: S104
        guard = Middleware(Guard, settings=own, shape_of=partial(api.shape_of, routes))
        config = uvicorn.Config(
            Starlette(routes=routes, middleware=[guard]),
            log_config=None,
            log_level="warning",  # below, it would write all headers, and so the key
            access_log=False,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,  # JPEG does not get smaller
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="serve", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise EngineUnavailable(f"{url} cannot be opened.")
            time.sleep(LOOK_SECONDS)
        return url

    def drain(self, seconds: float) -> None:
        """Takes nothing new; what is being painted may finish for so long."""
        self._draining = True
        self._painting.drain()
        end = time.monotonic() + seconds
        while self._painting.busy and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Ends the server and the engine."""
        self._server.should_exit = True
        asyncio.run(self._painter.aclose())
        self._thread.join(END_SECONDS)

    def _engine(self, settings: Settings, metrics: Metrics) -> tuple[Engine, Engine]:
        """The engine, and the one inside that owns the device."""
        from ..engine.build import build_replica

        return build_replica(settings, metrics)

    def _routes(self) -> list[BaseRoute]:
        site = Site(self._painter, self._painting, self._caller, lambda: self._draining)
        return [*site_routes(site), Route("/metrics", self._exposition)]

    async def _exposition(self, http: Request) -> Response:
        """What is measured here, for the web processes' own `/metrics`."""
        try:
            self._caller(http)
        except LightningError as error:
            return PlainTextResponse(error.message, error.status)
        return Response(self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _caller(self, connection: HTTPConnection) -> Caller:
        key = given_key(connection)
        if not key:
            raise KeyRequired("This is for the web processes of this demo.")
        if not hmac.compare_digest(key.encode("utf-8", "surrogatepass"), self._key.encode()):
            raise UnknownKey("This key is not known.")
        return WEB
