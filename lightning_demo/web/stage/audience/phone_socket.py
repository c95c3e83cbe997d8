"""Phones' page and socket: taking part needs the code, and neither login nor password."""

from __future__ import annotations

import asyncio

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ....errors import InvalidRequest, LightningError
from ...addresses import address_of
from ...kept_files import KeptFolder
from ...service import Service
from ..stage import Stage
from ..walls import NoSuchStage
from .gallery import gallery_route
from .guest import refuse, serve_guest
from .members import Banned
from .phone import Phone
from .phone_messages import parse

JOIN_SECONDS = 10.0  # for the first message


def audience_routes(service: Service, stage: Stage, files: KeptFolder) -> list[BaseRoute]:
    """The page of phones, their socket, and what the presenter downloads at the end."""

    async def live(socket: WebSocket) -> None:
        await serve_phone(service, stage, socket)

    return [
        Route("/audience", files.page("audience.html")),
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
        try:
            connection = service.open(address, member.seat)
        except LightningError:
            if member.token != token:  # it is new and never hears of its token
                audience.members.forget(member)
            raise
    except WebSocketDisconnect:
        return
    except LightningError as problem:
        why = {NoSuchStage: "code", Banned: "banned"}.get(type(problem), "later")
        await refuse(socket, problem.message, why)
        return
    phone = Phone(audience, member, connection, service.engine.status)
    try:
        await serve_guest(socket, connection, phone)
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
