"""A uvicorn for peers that says when it can be used."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp


def serve(app: ASGIApp, port: int) -> None:
    """Serves an application on this machine until the process ends; on any free port for 0."""
    _TellingServer(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")).run()


class _TellingServer(uvicorn.Server):
    """A socket bound before would do without it, but uvicorn's leaves Nagle's algorithm on.

    That costs a peer 40 ms an answer.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, then says so."""
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"Open http://{self.config.host}:{port}/", flush=True)
