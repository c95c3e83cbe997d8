"""Another server of this demo, whose pictures stand beside this one's in compare: other weights.

A server holds one model: SDXL-Lightning's UNets and its LoRAs are two servers. This one passes on
what is asked of the other, and has no more work with it; its own live loop never waits for it.
"""

from __future__ import annotations

from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..errors import EngineUnavailable
from .callers import caller_at
from .guard import check_login
from .http_json import answers_problems, read_json
from .painting import while_connected
from .service import Service

SECONDS = 660.0  # a little longer than a server takes before it gives a picture up
PASSED_ON = ("content-type", "retry-after", "server-timing")


def compared_routes(service: Service) -> list[BaseRoute]:
    """The routes; none where there is no such server."""
    if not service.settings.compare_with:
        return []
    endpoints = ComparedServer(service, service.settings.compare_with)
    return [
        Route("/compared", endpoints.titles),
        Route("/compared/picture", endpoints.picture, methods=["POST"]),
    ]


class ComparedServer:
    """The handlers of the routes."""

    def __init__(self, service: Service, url: str) -> None:
        self._service, self._url = service, url.rstrip("/")

    @answers_problems
    async def titles(self, request: Request) -> Response:
        """What paints here, and what paints there."""
        check_login(request)
        answer = await self._ask("GET", "/healthz")
        title = answer.json().get("title") if answer.is_success else None
        if not title:
            raise EngineUnavailable("The server to compare with asks for a login.")
        own = self._service.engine.status().title
        there = title if title != own else f"{title} (2)"
        return JSONResponse({"titles": [own, there]}, headers={"Cache-Control": "no-store"})

    @answers_problems
    async def picture(self, request: Request) -> Response:
        """The picture of a request as the other server paints it; see `Endpoints.picture`."""
        check_login(request)
        self._service.painting.admit(caller_at(request))
        asking = self._ask("POST", "/picture?format=jpeg&yields=1", await read_json(request))
        answer = await while_connected(request, asking)
        headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        headers["Cache-Control"] = "no-store"
        return Response(answer.content, answer.status_code, headers)

    async def _ask(self, method: str, path: str, content: Any = None) -> httpx.Response:
        """
        Raises:
            EngineUnavailable: it does not answer.
        """
        try:
            async with httpx.AsyncClient(timeout=SECONDS) as client:
                return await client.request(method, self._url + path, json=content)
        except httpx.HTTPError:
            raise EngineUnavailable("The server to compare with does not answer.") from None
