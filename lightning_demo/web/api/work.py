"""For other servers of this demo, which let this one paint for their visitors (`--fallback`).

`GET /v1/engine` says how the engine is; over a WebSocket at `/v1/work` comes what it shall paint,
and goes what it says (`work_connection.py`, `engine/wire.py`). Work that has come this way is
painted on this machine or not at all: two servers that stand by for each other would send it round
and round.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ... import __version__
from ...engine.wire_fields import instance, status_fields
from ...errors import LightningError
from .service import Api, answers, as_problem, bound
from .work_connection import Site, WorkConnection


def routes(api: Api) -> list[BaseRoute]:
    """The two routes, of a server with all the rest."""
    service = api.service
    return site_routes(Site(service.engine, api.painting, api.caller, lambda: service.draining))


def site_routes(site: Site) -> list[BaseRoute]:
    """The two routes."""
    desk = Desk(site)
    return [
        Route("/v1/engine", bound(Desk.status, desk)),
        WebSocketRoute("/v1/work", desk.serve),
    ]


class Desk:
    """Where other servers ask."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @answers(as_problem)
    async def status(self, http: Request) -> Response:
        """What this machine's own engine is and how it is doing."""
        self._site.server(http)
        status, draining = self._site.engine.status(), self._site.draining()
        content = status_fields(status, __version__, instance(), draining=draining)
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    async def serve(self, socket: WebSocket) -> None:
        """Paints for one other server until either side ends the connection."""
        try:
            self._site.server(socket)
        except LightningError as error:
            await socket.send_denial_response(as_problem(error))
            return
        await socket.accept()
        await WorkConnection(self._site, socket).serve()
