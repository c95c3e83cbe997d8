"""The live loop over a WebSocket: the fast way for frames, nothing between engine and canvas.

Both directions are bounded. A client's messages are taken at a bounded rate, so that a flood slows
only its sender; frames are sent no faster than the page acknowledges them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import LightningError
from ..tasks import tasks
from . import messages
from .addresses import address_of
from .live_connection import LiveConnection
from .messages import ClientMessage
from .service import Service

GOING_AWAY = 1001
TRY_AGAIN_LATER = 1013

# Frames that a page which acknowledges may be behind. The network buffers megabytes on its own:
# without a bound, a slow line shows pictures of long ago. Two keep a line of 50 ms at 40 a second.
FRAMES_IN_FLIGHT = 2

WINDOW_SECONDS = 0.01
SHARE = 10  # a window lasts at least this many times as long as its messages take the server
MESSAGES = 32  # in a window, beyond which no more are read until it ends
BYTES = 2**18  # the same


async def serve_socket(service: Service, socket: WebSocket) -> None:
    """Serves one connection to `/live` until either side ends it."""
    await socket.accept()
    try:
        connection = service.open(address_of(socket))
    except LightningError as problem:
        await turn_away(socket, json.dumps(messages.error(0, problem)), TRY_AGAIN_LATER)
        return
    try:
        if service.stage is not None:
            connection.observer = service.stage.desk(socket, connection.outbox.put)
        await converse(socket, connection, _receive(socket, connection))
    finally:
        await service.close(connection)


async def turn_away(socket: WebSocket, words: str, code: int) -> None:
    """Says why, and closes with this code; whoever has gone meanwhile is not told."""
    with contextlib.suppress(WebSocketDisconnect):
        await socket.send_text(words)
        await socket.close(code)


async def converse(
    socket: WebSocket,
    connection: LiveConnection,
    receive: Coroutine[Any, Any, None],
    over: asyncio.Event | None = None,
    dismiss: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Reads and sends until either side ends it; closing the connection is left to the caller.

    Args:
        receive: reads what the other side says, until it leaves.
        over: set when the other side is to leave.
        dismiss: tells it so, and closes the socket.
    """
    try:
        async with tasks(
            receive,
            _send_frames(socket, connection),
            _send_messages(socket, connection),
            *([over.wait()] if over else []),
            connection.ended.wait(),
        ) as running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if over and dismiss and over.is_set():
            await dismiss()
        elif running[-1] in done:
            await socket.close(GOING_AWAY)
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError for a send after the other side has gone.
        pass


async def _receive(socket: WebSocket, connection: LiveConnection) -> None:
    def act(message: ClientMessage) -> None:
        answer = connection.receive(message)
        if answer is not None:
            connection.outbox.put(answer)

    await receive_throttled(socket, act)


async def receive_throttled(
    socket: WebSocket,
    act: Callable[[Any], None],
    parse: Callable[[str | bytes], Any] | None = None,
) -> None:
    """Reads what a page says until it leaves; a flood slows only its sender.

    Args:
        parse: makes a message with a `kind` of untrusted text, and never raises; None:
            `messages.parse`.
    """
    throttle = InboundThrottle(act, asyncio.get_running_loop(), parse)
    try:
        while (event := await socket.receive())["type"] != "websocket.disconnect":
            text = event.get("text")
            wait = throttle.receive(text if text is not None else event.get("bytes") or b"")
            if wait:
                await asyncio.sleep(wait)
    finally:
        throttle.close()


async def _send_messages(socket: WebSocket, connection: LiveConnection) -> None:
    """Sends what is said beside the frames, until it is cancelled."""
    async for message in connection.outbox:
        await socket.send_text(json.dumps(message))


async def _send_frames(socket: WebSocket, connection: LiveConnection) -> None:
    """Sends frames, no faster than the page acknowledges them, until the connection is closed."""
    sent = 0
    async for event in connection.events():
        if event.error is not None:
            await socket.send_text(json.dumps(messages.error(event.sequence, event.error)))
        elif event.frame is not None:
            await socket.send_bytes(messages.frame_bytes(event.sequence, event.frame, event.budget))
            sent += 1
            while connection.seen is not None and sent - connection.seen >= FRAMES_IN_FLIGHT:
                connection.acknowledged.clear()
                await connection.acknowledged.wait()


class InboundThrottle:
    """Passes a client's messages on: the first at once, then the newest of each window.

    Of several messages of one kind in a window only the newest is acted on: the last request wins,
    however many are sent. A window grows with the time that its messages take, so that no client
    gets more than a share of the server. Beyond a number of messages or bytes nothing more is read
    until it ends: the network holds the rest back at the sender.
    """

    def __init__(
        self,
        act: Callable[[Any], None],
        loop: asyncio.AbstractEventLoop,
        parse: Callable[[str | bytes], Any] | None = None,
    ) -> None:
        self._act = act
        self._parse = parse or messages.parse
        self._loop = loop
        self._waiting: dict[str, Any] = {}  # the newest of each kind
        self._end = 0.0  # of the window
        self._messages = self._bytes = 0  # read in the window
        self._spent = 0.0  # seconds that reading them took
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, text: str | bytes) -> float:
        """Takes one message; returns the seconds for which no further one shall be read."""
        begun = time.perf_counter()
        message = self._parse(text)
        self._spent += time.perf_counter() - begun
        # Each where the newest stands: what is asked for after Freeze is acted on after it.
        self._waiting.pop(message.kind, None)
        self._waiting[message.kind] = message
        self._messages += 1
        self._bytes += len(text)
        if self._timer is None:
            if self._loop.time() >= self._end:
                self._flush()
            else:
                self._timer = self._loop.call_at(self._end, self._flush)
        if self._messages < MESSAGES and self._bytes < BYTES:
            return 0.0
        return max(0.0, self._end - self._loop.time())

    def close(self) -> None:
        """Forgets what has not been acted on."""
        self._waiting = {}
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        begun = time.perf_counter()
        waiting, self._waiting = self._waiting, {}
        self._timer = None
        self._messages = self._bytes = 0
        for message in waiting.values():
            self._act(message)
        spent = self._spent + time.perf_counter() - begun
        self._spent = 0.0
        self._end = self._loop.time() + max(WINDOW_SECONDS, SHARE * spent)
