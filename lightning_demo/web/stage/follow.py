"""How a screen follows a wall: a socket of its own that only tells.

Each follower looks for itself when it is woken, so that it sees the newest and nothing is kept for
it. What it says is read at a bounded rate; but for acknowledged frames it means nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ...errors import LightningError
from ...tasks import tasks
from ..kept_files import KeptFolder
from ..live_socket import FRAMES_IN_FLIGHT, GOING_AWAY, TRY_AGAIN_LATER, receive_throttled
from ..messages import ClientMessage
from .stage import Stage
from .wall import Picture, Wall
from .walls import NoSuchStage


def stage_routes(stage: Stage, files: KeptFolder) -> list[BaseRoute]:
    """The screen's page and its socket; watching needs the code, and neither login nor password."""

    async def follow(socket: WebSocket) -> None:
        await serve_follower(stage, socket)

    return [Route("/stage", files.page("stage.html")), WebSocketRoute("/stage/follow", follow)]


async def serve_follower(stage: Stage, socket: WebSocket) -> None:
    """Serves one screen until either side ends it."""
    await socket.accept()
    follower = Follower()
    try:
        wall = stage.join(socket, follower)
    except LightningError as problem:
        unknown = isinstance(problem, NoSuchStage)
        said = {"type": "refused", "message": problem.message, "unknown": unknown}
        await socket.send_text(json.dumps(said))
        await socket.close(TRY_AGAIN_LATER)
        return
    try:
        async with tasks(
            receive_throttled(socket, follower.receive),
            _send(socket, follower, wall),
            stage.ended.wait(),
        ) as running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if running[0] not in done:
            await socket.close(GOING_AWAY)
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError for a send after the other side has gone.
        pass
    finally:
        stage.leave(wall, follower)


async def _send(socket: WebSocket, follower: Follower, wall: Wall) -> None:
    async for message in follower.look(wall):
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await socket.send_text(json.dumps(message))


class Follower:
    """What one screen has been told, and so what is new to it."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self._state: dict[str, Any] = {}
        self._pictures: dict[str, Picture] = {}  # by place, the one sent last at the end
        self._invitation: object = None
        self._sent = self._seen = 0  # pictures

    def wake(self) -> None:
        """There may be something new, or room for another picture."""
        self._wake.set()

    def receive(self, message: ClientMessage) -> None:
        """A message of the screen: only what acknowledges pictures counts."""
        if message.seen is not None:
            self._seen = message.seen
            self.wake()

    async def look(self, wall: Wall) -> AsyncIterator[dict[str, Any] | bytes]:
        """Yields what is new, as messages, until the wall is gone."""
        while not wall.closed:
            self._wake.clear()
            message = self._next(wall)
            if message is None:
                await self._wake.wait()
            else:
                yield message

    def _next(self, wall: Wall) -> dict[str, Any] | bytes | None:
        if wall.invitation is not self._invitation:
            self._invitation = wall.invitation
            return {"type": "invitation", "url": "", **(wall.invitation or {})}
        state, pictures = wall.state(), wall.visible.pictures
        for gone in [each for each in self._pictures if each and each not in pictures]:
            del self._pictures[gone]  # the screen has put it away, too
        news = state != self._state
        place = self._stale(pictures)
        # A screen on which there was nothing shows at once what it ought to: that comes first.
        nothing = self._state.get("blank") or not self._state.get("picture", True)
        returns = place is not None and nothing and not state["blank"]
        if news and not returns:
            self._state = state
            return state
        if place is not None and self._sent - self._seen < FRAMES_IN_FLIGHT:
            self._pictures.pop(place, None)
            picture = self._pictures[place] = pictures[place]
            self._sent += 1
            return picture.message
        return None

    def _stale(self, pictures: Mapping[str, Picture]) -> str | None:
        """The place whose picture is not the newest, of several the one that was not sent last."""
        stale = [place for place in pictures if self._pictures.get(place) is not pictures[place]]
        order = list(self._pictures)
        return min(stale, key=lambda p: order.index(p) if p in order else -1, default=None)
