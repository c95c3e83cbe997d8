"""One replica of the engine, as Ray Serve starts it on a GPU of its own.

It answers what servers of this demo ask of each other (`api/work.py`) by a small server of its own,
behind a key, so that pictures take no way through Ray; and says so to the registry once it is warm.
Serve makes, checks and ends it.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ..engine.base import Engine, Work
from ..engine.metrics import Metrics
from ..engine.ray.registry import Record
from ..engine.ray.scaling import WAIT
from ..errors import EngineUnavailable, LightningError
from ..schemas import GenerationRequest
from ..settings import Settings
from . import api
from .api.access import KeyRequired, UnknownKey, given_key
from .api.work import Site, site_routes
from .callers import Caller, trusted
from .guard import Guard
from .messages import MAX_MESSAGE_BYTES
from .painting import Painting

log = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0  # that pictures on their way may take when the replica is to end
ANNOUNCE_SECONDS = 1.0
LOOK_SECONDS = 0.05
WEB = trusted(Caller("key", "web"), at_once=100_000)  # who paints for how many, web processes know


class Replica:
    """See above. Serve calls everything but `_engine`."""

    def __init__(
        self, settings: Mapping[str, str], key: str, deployment: str, registry: Any, verbose: bool
    ) -> None:
        """Loads the model, warms up, and only then is there for anybody.

        Args:
            settings: variables, as `Settings.to_environment` makes them.
            key: that the web processes send.
            deployment: which one this replica belongs to.
            registry: the actor that is told.

        Raises:
            EngineUnavailable: the model could not be loaded; Serve tries again a few times.
        """
        logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO)
        _keep_to_this_machine()
        self._key, self._registry = key, registry
        self._draining = self._ended = False
        chosen = Settings.from_environment(settings)
        metrics = Metrics()
        self._painter, self._local = self._engine(chosen, metrics)
        self._painting = Painting(self._painter, metrics)
        self._metrics = metrics
        while (status := self._painter.status()).state == "loading":
            time.sleep(LOOK_SECONDS)
        if status.state != "ready":
            raise EngineUnavailable(status.detail)
        self._listen()
        self._record = Record(
            name=self._name(),
            url=self._url,
            node=f"{socket.gethostname()} ({self._host})",
            pid=os.getpid(),
            deployment=deployment,
        )
        self._announcer = threading.Thread(target=self._announce, name="announce", daemon=True)
        self._announcer.start()

    def check_health(self) -> None:
        """
        Raises:
            EngineUnavailable: the engine will not paint any more; Serve starts another replica.
        """
        status = self._painter.status()
        if status.state != "ready":
            raise EngineUnavailable(status.detail)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """How long whoever came now would wait for a first step, in seconds."""
        request = GenerationRequest.parse({"prompt": "a", "seed": 0}, self._painter.status().limits)
        forecast = self._local.forecast(Work(request))
        return {WAIT: 0.0 if forecast is None else forecast.wait}

    def __del__(self) -> None:
        """What is being painted may finish; Serve calls it when the replica is to end."""
        if getattr(self, "_announcer", None) is None or self._ended:
            return
        self._ended = self._draining = True
        self._painting.drain()
        self._say()
        end = time.monotonic() + DRAIN_SECONDS
        while self._painting.busy and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
        self._server.should_exit = True
        asyncio.run(self._painter.aclose())
        self._thread.join(2.0)
        self._registry.leave.remote(self._record.name)

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

    def _listen(self) -> None:
        """Opens a port of this node's address, in a thread of its own."""
        from ray.util import get_node_ip_address

        self._host = get_node_ip_address()
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family)
        listener.bind((self._host, 0))
        host = f"[{self._host}]" if family == socket.AF_INET6 else self._host
        self._url = f"http://{host}:{listener.getsockname()[1]}"
        routes = self._routes()
        # Under any name: a key guards it, and the cluster's addresses are not known here.
        own = Settings(host="0.0.0.0", port=0)  # noqa: S104
        guard = Middleware(Guard, settings=own, shape_of=partial(api.shape_of, routes))
        config = uvicorn.Config(
            Starlette(routes=routes, middleware=[guard]),
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="off",
            h11_max_incomplete_event_size=MAX_MESSAGE_BYTES,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="serve", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise EngineUnavailable(f"{self._url} cannot be opened.")
            time.sleep(LOOK_SECONDS)

    def _name(self) -> str:
        """What Serve calls this replica."""
        from ray import serve

        return str(serve.get_replica_context().replica_id.unique_id)

    def _announce(self) -> None:
        """Says again and again that it is there, whether or not Serve's controller is."""
        while not self._ended:
            if self._painter.status().state == "ready":
                self._say()
            time.sleep(ANNOUNCE_SECONDS)

    def _say(self) -> None:
        try:
            self._registry.announce.remote(replace(self._record, draining=self._draining))
        except Exception:
            log.exception("the registry could not be told")


def _keep_to_this_machine() -> None:
    """Lets Serve's own server in this process, which nobody calls, listen on the loopback address.

    It would listen on all, for whoever has the cluster's token or where none is asked for, and has
    no option for it. Serve opens it once the replica is made.
    """
    from ray.serve._private import replica

    add = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: add(
        server, address.replace("[::]", "127.0.0.1")
    )
