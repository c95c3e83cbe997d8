"""The live loop over a WebSocket: the fast way for frames, nothing between engine and canvas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import LightningError
from . import messages
from .addresses import address_of
from .conversation import Conversation
from .service import Service
from .throttle import InboundThrottle

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
            conversation = self._service.open(address_of(socket))
        except LightningError as problem:
            await socket.send_text(json.dumps(messages.error(0, problem)))
            await socket.close(TRY_AGAIN_LATER)
            return
        try:
            ended = await _first_to_end(
                _listen(socket, conversation),
                _send_frames(socket, conversation),
                _send_notices(socket, conversation),
                _wait(conversation.ended),
            )
            if ended == 3:
                await socket.close(GOING_AWAY)
        except (WebSocketDisconnect, RuntimeError):
            # Starlette raises RuntimeError for a send after the other side has gone.
            pass
        finally:
            await self._service.close(conversation)


async def _listen(socket: WebSocket, conversation: Conversation) -> None:
    def act(text: str | bytes) -> None:
        answer = conversation.hear(text)
        if answer is not None:
            conversation.notices.put(answer)

    throttle = InboundThrottle(act, asyncio.get_running_loop())
    try:
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            wait = throttle.receive(text if text is not None else message.get("bytes") or b"")
            if wait:
                await asyncio.sleep(wait)
    finally:
        throttle.close()


async def _send_notices(socket: WebSocket, conversation: Conversation) -> None:
    async for notice in conversation.notices.read():
        await socket.send_text(json.dumps(notice))


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
