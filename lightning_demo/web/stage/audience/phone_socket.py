"""Phones' page and socket: taking part needs the code, and neither login nor password."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ....errors import InvalidRequest, LightningError
from ....settings import ASSETS
from ...addresses import address_of
from ...live_socket import TRY_AGAIN_LATER, converse, receive_throttled
from ...service import Service
from ..stage import Stage
from ..walls import NoSuchStage
from .gallery import gallery_route
from .members import Banned
from .phone import Phone
from .phone_messages import parse, refusal

PAGE = ASSETS / "web" / "audience.html"
JOIN_SECONDS = 10.0  # for the first message
POLICY = 1008  # the close code of what will not go well later either


def audience_routes(service: Service, stage: Stage) -> list[BaseRoute]:
    """The page of phones, their socket, and what the presenter downloads at the end."""

    async def page(request: Request) -> Response:
        return FileResponse(PAGE, headers={"Cache-Control": "no-cache"})

    async def live(socket: WebSocket) -> None:
        await serve_phone(service, stage, socket)

    return [
        Route("/audience", page),
        WebSocketRoute("/audience/live", live),
        gallery_route(stage),
    ]


async def serve_phone(service: Service, stage: Stage, socket: WebSocket) -> None:
    """Serves one phone until either side ends it."""
    await socket.accept()
    try:
        token = await _join(socket)
        audience = stage.audience(socket)
        address = address_of(socket)
        member = audience.members.join(token, address, stage.now())
        connection = service.open(address, member.seat)
    except WebSocketDisconnect:
        return
    except LightningError as problem:
        why = {NoSuchStage: "code", Banned: "banned"}.get(type(problem), "later")
        await _refuse(socket, problem.message, why)
        return
    phone = Phone(audience, member, connection, lambda: service.engine.status().limits)

    async def dismiss() -> None:
        await _refuse(socket, phone.message, phone.reason)

    try:
        receive = receive_throttled(socket, phone.receive, parse)
        await converse(socket, connection, receive, phone.over, dismiss)
    finally:
        await service.close(connection)


async def _join(socket: WebSocket) -> str:
    """The token that a phone comes with; empty: it is new.

    Raises:
        InvalidRequest: it says something else, or nothing.
    """
    try:
        event = await asyncio.wait_for(socket.receive(), JOIN_SECONDS)
    except asyncio.TimeoutError:
        raise InvalidRequest("join: say it first.") from None
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(event.get("code", 1005))
    message = parse(event.get("text") or event.get("bytes") or b"")
    if message.kind != "join":
        raise InvalidRequest("join: say it first.")
    return message.text


async def _refuse(socket: WebSocket, message: str, why: str) -> None:
    await socket.send_text(refusal(message, why))
    await socket.close(TRY_AGAIN_LATER if why == "later" else POLICY)
