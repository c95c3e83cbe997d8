"""The page and the socket of keyboards: a side's code, which only the desk shows, is all they need.

Two pages may be open on one computer, or one page with both sides: each side has its own line.
"""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ....errors import LightningError
from ...addresses import address_of
from ...kept_files import KeptFolder
from ...service import Service
from ..audience.guest import refuse, serve_guest
from ..stage import Stage
from ..walls import NoSuchStage
from .keyboard import Always, Keyboard
from .players import KeyboardPlayer

BY_PHONE = "This battle is played on phones."


def battle_routes(service: Service, stage: Stage, files: KeptFolder) -> list[BaseRoute]:
    """The page of players at keyboards, and their socket."""

    async def live(socket: WebSocket) -> None:
        await serve_keyboard(service, stage, socket)

    return [Route("/battle", files.page("battle.html")), WebSocketRoute("/battle/live", live)]


async def serve_keyboard(service: Service, stage: Stage, socket: WebSocket) -> None:
    """Serves one player at a keyboard until either side ends it."""
    await socket.accept()
    try:
        ring, side = stage.side(socket)
        player = ring.players[side]
        if not isinstance(player, KeyboardPlayer):
            raise NoSuchStage(BY_PHONE)
        connection = service.open(address_of(socket), Always())
    except LightningError as problem:
        why = "code" if isinstance(problem, NoSuchStage) else "later"
        await refuse(socket, problem.message, why)
        return
    keyboard = Keyboard(ring, side, player, connection)
    try:
        await serve_guest(socket, connection, keyboard)
    finally:
        await service.close(connection)
