"""Serving a guest of a talk, a phone or a keyboard, over a socket until either side ends it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.websockets import WebSocket

from ...live_connection import LiveConnection
from ...live_socket import TRY_AGAIN_LATER, converse, receive_throttled, turn_away
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

    async def dismiss() -> None:
        await refuse(socket, guest.message, guest.reason)

    receive = receive_throttled(socket, guest.receive, parse)
    await converse(socket, connection, receive, guest.over, dismiss)


async def refuse(socket: WebSocket, message: str, why: str) -> None:
    """Says why it ends here, and closes."""
    code = TRY_AGAIN_LATER if why == "later" else POLICY
    await turn_away(socket, refusal(message, why), code)
