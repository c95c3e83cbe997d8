"""The HTTP routes beside Gradio's: health, metrics, pictures to keep, the page's own files."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict, replace
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ..errors import EngineUnavailable, InvalidRequest
from ..images import JPEG_QUALITY, encode
from ..model.token_count import TokenCounter
from ..model.weights.checkpoints import MODELS
from ..schemas import GenerationRequest
from ..studio.animation import MEDIA_TYPES, animate, format_named, unpack
from .addresses import address_of
from .batch_list import BatchList
from .batch_pictures import BatchPictures
from .callers import caller_at
from .compared import compared_routes
from .guard import check_login, logged_in
from .http_json import answers_problems, problem, read_body, read_json, stages
from .kept_files import KeptFolder
from .live_socket import serve_socket
from .painting import while_connected
from .service import Service
from .stage.audience.phone_socket import audience_routes
from .stage.battle.seat_socket import battle_routes
from .stage.follow import stage_routes

PICTURES_SECONDS = 60.0  # for those of a film to arrive: some 20 MB
MOST_FILMS = 4  # in memory at once, one for each address: each may be 64 MiB


def routes(service: Service, files: KeptFolder) -> list[BaseRoute]:
    """All of them, bound to one service. No path is ever built from what a visitor sends."""
    endpoints = Endpoints(service)
    return [
        # Before Gradio's own, which fetch any public address for anybody.
        *(Route(f"/gradio_api/{name}={{rest:path}}", _nothing_there) for name in ("file", "proxy")),
        WebSocketRoute("/live", endpoints.live),
        Route("/healthz", endpoints.health),
        Route("/readyz", endpoints.ready),
        Route("/metrics", endpoints.metrics),
        Route("/picture", endpoints.picture, methods=["POST"]),
        Route("/animation", endpoints.animation, methods=["POST"]),
        Route("/batch", endpoints.batch, methods=["POST"]),
        Route("/batch/pictures", BatchPictures(service).answer, methods=["POST"]),
        Route("/tokens", endpoints.tokens, methods=["POST"]),
        *compared_routes(service),
        *files.routes(),
        *(stage_routes(service.stage, files) if service.stage else []),
        *(battle_routes(service, service.stage, files) if service.stage else []),
        *(
            audience_routes(service, service.stage, files)
            if service.stage and service.stage.audiences
            else []
        ),
    ]


async def _nothing_there(request: Request) -> Response:
    return problem(HTTPStatus.NOT_FOUND, "This page has no files of Gradio's.")


class Endpoints:
    """The handlers of the routes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._animating = asyncio.Lock()
        self._sending: set[str] = set()  # addresses whose film is being sent or made
        self._checking = asyncio.Lock()
        self._counters: dict[str, TokenCounter] = {}  # by the model that paints

    async def live(self, socket: WebSocket) -> None:
        """The live loop of one tab."""
        if logged_in(socket):
            await serve_socket(self._service, socket)
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

    @answers_problems
    async def metrics(self, request: Request) -> Response:
        """What is measured, in Prometheus' text format."""
        check_login(request)
        headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        exposition = await asyncio.to_thread(self._service.exposition)
        return Response(exposition, headers=headers)

    @answers_problems
    async def picture(self, request: Request) -> Response:
        """The picture of a request, its settings inside; `?format=jpeg` or `webp`, else PNG.

        One of many (`?yields=1`) gives way to what is typed.
        """
        format = request.query_params.get("format", "png")
        if format not in ("png", "jpeg", "webp"):
            raise InvalidRequest("format: must be png, jpeg or webp.", field="format")
        check_login(request)
        yields = request.query_params.get("yields") == "1"
        caller = replace(caller_at(request), origin="page", yields=yields)
        painting = self._service.painting
        painting.admit(caller)
        asked = GenerationRequest.parse(
            await read_json(request), self._service.engine.status().limits
        )
        frame = await while_connected(request, painting.paint(asked, caller))
        data = await asyncio.to_thread(
            encode, frame.pixels, asked, frame.model, format, JPEG_QUALITY, frame.weights
        )
        headers = {
            "Content-Disposition": f'attachment; filename="{frame.model}-{asked.seed}.{format}"',
            "Cache-Control": "no-store",
            "Server-Timing": stages([frame]),
        }
        return Response(data, headers=headers, media_type=f"image/{format}")

    @answers_problems
    async def batch(self, request: Request) -> Response:
        """The pictures of a list, and which of its rows are at fault."""
        check_login(request)
        self._service.painting.admit(caller_at(request))
        fields = await read_json(request)
        if self._checking.locked():  # each may take a core for seconds
            raise EngineUnavailable("Another list is being checked; try again in a moment.")
        async with self._checking:
            asked = BatchList.parse(fields)
            limits = self._service.engine.status().limits
            found = await asyncio.to_thread(asked.checked, limits)
            data = await asyncio.to_thread(json.dumps, found)
        headers = {"Cache-Control": "no-store"}
        return Response(data, headers=headers, media_type="application/json")

    @answers_problems
    async def tokens(self, request: Request) -> Response:
        """How the prompt of a request is read: its tokens, its chunks, and what is left out.

        Null where that is not known: the model's words are not on this machine yet.
        """
        check_login(request)
        status = self._service.engine.status()
        asked = GenerationRequest.parse(await read_json(request), status.limits)
        counter = await self._counter(status.model)
        content = None
        if counter is not None:
            content = asdict(await asyncio.to_thread(counter.count, asked.painted_prompt))
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    async def _counter(self, model: str) -> TokenCounter | None:
        if model not in self._counters and (spec := MODELS.get(model)):
            with contextlib.suppress(EngineUnavailable):
                self._counters[model] = await asyncio.to_thread(TokenCounter, spec)
        return self._counters.get(model)

    @answers_problems
    async def animation(self, request: Request) -> Response:
        """Pictures of the page's timeline as one that moves; `?format=gif`, `webp` or `mp4`."""
        check_login(request)
        name = request.query_params.get("format", "")
        format = await asyncio.to_thread(format_named, name)  # may load a library
        sender = address_of(request)
        if sender in self._sending or len(self._sending) >= MOST_FILMS:
            raise EngineUnavailable("Another film is being made; try again in a moment.")
        self._sending.add(sender)
        try:  # whoever sends slowly holds up nobody else
            pictures = unpack(await read_body(request, PICTURES_SECONDS))
            async with self._animating:  # each takes a core for seconds
                data = await asyncio.to_thread(animate, pictures, format)
        finally:
            self._sending.discard(sender)
        headers = {"Cache-Control": "no-store"}
        return Response(data, headers=headers, media_type=MEDIA_TYPES[format])
