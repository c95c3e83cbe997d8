"""The HTTP routes beside Gradio's: health, metrics, pictures to keep, the page's own files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ..engine.base import Work, final_frame
from ..errors import EngineUnavailable, GenerationFailed, LightningError, report_incident
from ..images import encode_png
from ..schemas import GenerationRequest
from ..settings import ASSETS
from . import messages
from .addresses import address_of
from .guard import logged_in
from .live_socket import LiveSocket
from .metrics import exposition
from .problem import problem, problem_of
from .service import Service

log = logging.getLogger(__name__)

FILES = ASSETS / "web"
BODY_SECONDS = 10.0  # a body of one message that takes longer is not meant to arrive


def routes(service: Service) -> list[BaseRoute]:
    """All of them, bound to one service. No path is ever built from what a visitor sends."""
    endpoints = Endpoints(service)
    files = [
        Route(f"/web/{path.name}", _file(path))
        for path in sorted(FILES.iterdir())
        if path.is_file()
    ]
    return [
        WebSocketRoute("/live", endpoints.live),
        Route("/healthz", endpoints.health),
        Route("/readyz", endpoints.ready),
        Route("/metrics", endpoints.metrics),
        Route("/picture", endpoints.picture, methods=["POST"]),
        *files,
    ]


class Endpoints:
    """The handlers of the routes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._socket = LiveSocket(service)

    async def live(self, socket: WebSocket) -> None:
        """The live loop of one tab."""
        if logged_in(socket):
            await self._socket(socket)
        else:
            await socket.close()  # before it is accepted: the handshake is answered with 403

    async def health(self, request: Request) -> Response:
        """200 while the process is alive; how it is doing, for those who are logged in."""
        status = self._service.status() if logged_in(request) else {"type": "status"}
        return JSONResponse(status, headers={"Cache-Control": "no-store"})

    async def ready(self, request: Request) -> Response:
        """200 when pictures can be asked for, else 503."""
        status = self._service.status()
        if status["state"] == "ready" and not status["draining"]:
            return await self.health(request)
        state = "draining" if status["draining"] else status["state"]
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, state)

    async def metrics(self, request: Request) -> Response:
        """What is measured, for Prometheus."""
        if not logged_in(request):
            return problem(HTTPStatus.UNAUTHORIZED, "Log in on the page first.")
        return exposition(self._service)

    async def picture(self, request: Request) -> Response:
        """The picture of a request as PNG, its settings inside."""
        if not logged_in(request):
            return problem(HTTPStatus.UNAUTHORIZED, "Log in on the page first.")
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")
        address = address_of(request)
        try:
            self._service.count_picture(address)
            body = await asyncio.wait_for(request.body(), BODY_SECONDS)
        except LightningError as error:
            return problem_of(error)
        except asyncio.TimeoutError:
            return problem(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.")
        try:
            return await self._paint(body, address)
        except LightningError as error:
            return problem_of(error)
        except Exception as error:
            return problem_of(report_incident(error, "The picture could not be painted", log))

    async def _paint(self, body: bytes, address: str) -> Response:
        engine = self._service.engine
        status = engine.status()
        request = GenerationRequest.parse(messages.parse_fields(body), status.limits)
        if status.state in ("failed", "closed"):
            raise EngineUnavailable(status.detail or "The engine has stopped.")
        # Pictures of one address take turns.
        work = Work(request, client=("address", address))
        async with self._service.download(address):
            final = await final_frame(engine, work)
        if final.pixels is None:
            raise GenerationFailed("The picture came without its pixels.")
        model = final.model or status.model
        data = await asyncio.to_thread(encode_png, final.pixels, request, model)
        name = f"{model}-{request.seed}.png"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        return Response(data, headers=headers, media_type="image/png")


def _file(path: Path) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        # Small, and asked for again each time, so that an update is seen at once.
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    return answer
