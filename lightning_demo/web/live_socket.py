"""The live loop over a WebSocket: the fast way for frames, nothing between engine and canvas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import EngineUnavailable
from . import messages
from .conversation import Conversation
from .service import LOAD_SECONDS, POLL_SECONDS, Service

GOING_AWAY = 1001
TRY_AGAIN_LATER = 1013

# Frames that a page which acknowledges may be behind. The network buffers megabytes on its own:
# without a bound, a slow line shows pictures of long ago. Two keep a line of 50 ms at 40 a second.
FRAMES_IN_FLIGHT = 2


class LiveSocket:
    """The endpoint of `/live`; each connection is one conversation."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, socket: WebSocket) -> None:
        """Serves one connection until either side ends it."""
        await socket.accept()
        try:
            conversation = self._service.open()
        except EngineUnavailable as problem:
            await socket.send_text(json.dumps(messages.error(0, problem)))
            await socket.close(TRY_AGAIN_LATER)
            return
        try:
            ended = await _first_to_end(
                _listen(socket, conversation),
                _send_frames(socket, conversation),
                self._send_status(socket, conversation),
                _wait(conversation.ended),
            )
            if ended == 3:
                await socket.close(GOING_AWAY)
        except (WebSocketDisconnect, RuntimeError):
            # Starlette raises RuntimeError for a send after the other side has gone.
            pass
        finally:
            await self._service.close(conversation)

    async def _send_status(self, socket: WebSocket, conversation: Conversation) -> None:
        """Sends the status at once and whenever it changes, and the load to who shows it."""
        said: dict[str, Any] = {}
        loop = asyncio.get_running_loop()
        due = 0.0
        while True:
            status = self._service.status()
            if {**status, "waiting": 0} != {**said, "waiting": 0}:
                await socket.send_text(json.dumps(status))
                said = status
            if conversation.watching and loop.time() >= due:
                due = loop.time() + LOAD_SECONDS
                await socket.send_text(json.dumps(self._service.load()))
            await asyncio.sleep(POLL_SECONDS)


async def _listen(socket: WebSocket, conversation: Conversation) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        answer = conversation.hear(text if text is not None else message.get("bytes") or b"")
        if answer is not None:
            await socket.send_text(json.dumps(answer))


async def _send_frames(socket: WebSocket, conversation: Conversation) -> None:
    sent = 0
    async for event in conversation.events():
        if event.error is not None:
            await socket.send_text(json.dumps(messages.error(event.sequence, event.error)))
        elif event.frame is not None:
            await socket.send_bytes(messages.frame_bytes(event.sequence, event.frame, event.budget))
            sent += 1
            while conversation.seen is not None and sent - conversation.seen >= FRAMES_IN_FLIGHT:
                conversation.acknowledged.clear()
                await conversation.acknowledged.wait()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _first_to_end(*coroutines: Coroutine[Any, Any, None]) -> int:
    """Runs all until one ends, stops the others, and returns the place of the one that ended."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    return max(tasks.index(task) for task in done)
