"""One replica of the engine, as Ray Serve starts it on a GPU of its own.

Pictures take no way through Ray: web processes ask its own server (`engine_server.py`), of which
the registry is told once it is warm. Serve makes, checks and ends it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..engine.ray.registry import Record
from ..engine.ray.scaling import WAIT
from ..errors import EngineUnavailable
from ..interpreter import answer_soon
from ..settings import Settings
from .engine_server import LOOK_SECONDS, EngineServer

log = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0  # that pictures on their way may take when the replica is to end
ANNOUNCE_SECONDS = 1.0


class Replica(EngineServer):
    """See above. Serve calls everything here."""

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
        answer_soon()
        self._registry, self._ended = registry, False
        super().__init__(Settings.from_environment(settings), key)
        while (status := self._painter.status()).state == "loading":
            time.sleep(LOOK_SECONDS)
        if status.state != "ready":
            raise EngineUnavailable(status.detail)
        host = self._host()
        self._record = Record(
            name=self._name(),
            url=self.listen(host),
            node=f"{socket.gethostname()} ({host})",
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
        """How long people wait for a first step."""
        return {WAIT: self.wait()}

    def __del__(self) -> None:
        """What is being painted may finish; Serve calls it when the replica is to end."""
        if getattr(self, "_announcer", None) is None or self._ended:
            return
        self._ended = self._draining = True
        self._say()
        self.drain(DRAIN_SECONDS)
        self.close()
        self._registry.leave.remote(self._record.name)

    def _host(self) -> str:
        """This node's address in the cluster."""
        from ray.util import get_node_ip_address

        return str(get_node_ip_address())

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
