"""Serving a guest of a talk, a phone or a keyboard, over a socket until either side ends it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from ....tasks import tasks
from ...live_connection import LiveConnection
from ...live_socket import (
    GOING_AWAY,
    TRY_AGAIN_LATER,
    receive_throttled,
    send_frames,
    send_messages,
)
from .phone_messages import PhoneMessage, parse, refusal

POLICY = 1008  # the close code of what will not go well later either


class Guest(Protocol):
    """What is done with the guest's messages.

    Attributes:
        over: set when it is, with the reason and a message for the guest.
    """

    over: asyncio.Event
    reason: str
    message: str

    def receive(self, message: PhoneMessage) -> None:
        """Acts on one; returns at once."""
        ...


async def serve_guest(socket: WebSocket, connection: LiveConnection, guest: Guest) -> None:
    """Reads and sends until one of them has gone, or it is over; the connection stays to close."""
    try:
        async with tasks(
            receive_throttled(socket, guest.receive, parse),
            send_frames(socket, connection),
            send_messages(socket, connection),
            guest.over.wait(),
            connection.ended.wait(),
        ) as running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if guest.over.is_set():
            await refuse(socket, guest.message, guest.reason)
        elif running[-1] in done:
            await socket.close(GOING_AWAY)
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError for a send after the other side has gone.
        pass


async def refuse(socket: WebSocket, message: str, why: str) -> None:
    """Says why it ends here, and closes."""
    await socket.send_text(refusal(message, why))
    await socket.close(TRY_AGAIN_LATER if why == "later" else POLICY)
