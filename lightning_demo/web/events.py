"""The live loop over Gradio's own events, for networks that let no WebSocket through.

The same conversation as the socket's: one hidden event carries a message in and streams what
comes of it out as text, with the picture as a data URI.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import gradio as gr

from ..engine.session import LiveEvent
from ..errors import LightningError
from . import messages
from .addresses import normal
from .conversation import Conversation
from .service import POLL_SECONDS, Service

FORGET_SECONDS = 900.0  # a tab that said goodbye to nobody


class EventStreams:
    """The conversations of all tabs that speak through Gradio events, by Gradio session."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._streams: dict[str, _Stream] = {}

    async def hear(self, text: str, request: gr.Request) -> AsyncIterator[str]:
        """Takes one message of a tab and yields the answers, frames among them, as JSON text.

        A newer message of the same tab takes the rest of the stream over.
        """
        try:
            stream = await self._stream(request)
        except LightningError as problem:
            yield json.dumps(messages.error(0, problem))
            return
        answer = stream.conversation.hear(text or "", in_order=False)
        if answer is not None:
            yield json.dumps(answer)
            return
        async for said in stream.listen():
            yield said

    def status(self, request: gr.Request) -> str:
        """The state of engine and server as JSON text, and the load for a tab that shows it."""
        status = self._service.status()
        stream = self._streams.get(request.session_hash or "")
        if stream is not None and stream.conversation.watching:
            status["load"] = self._service.load()
        return json.dumps(status)

    async def forget(self, request: gr.Request) -> None:
        """Ends the conversation of a tab that has been closed."""
        stream = self._streams.pop(request.session_hash or "", None)
        if stream is not None:
            await stream.aclose(self._service)

    async def _stream(self, request: gr.Request) -> _Stream:
        session = request.session_hash or ""
        for name, stream in list(self._streams.items()):
            if stream.conversation.ended.is_set() or stream.silent_for() > FORGET_SECONDS:
                self._streams.pop(name, None)
                await stream.aclose(self._service)
        if session not in self._streams:
            address = normal(request.client.host if request.client else "")
            self._streams[session] = _Stream(self._service.open(address))
        return self._streams[session]


class _Stream:
    """One conversation whose events are read by whichever of the tab's messages is newest."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self._newest: LiveEvent | None = None
        self._line = conversation.line  # as it was last told
        self._turn = 0
        self._wake = asyncio.Event()
        self._heard = time.monotonic()
        self._pump = asyncio.ensure_future(self._read())

    async def listen(self) -> AsyncIterator[str]:
        """Yields answers until all that was asked for has come, or a newer listener takes over."""
        self._heard = time.monotonic()
        self._turn += 1
        turn = self._turn
        self._wake.set()
        while turn == self._turn:
            self._wake.clear()
            if self._line is not self.conversation.line:
                self._line = self.conversation.line
                yield json.dumps(self._line)
            elif self._newest is not None:
                event, self._newest = self._newest, None
                if event.error is not None:
                    yield json.dumps(messages.error(event.sequence, event.error))
                elif event.frame is not None:
                    yield messages.frame_text(event.sequence, event.frame, event.budget)
            elif not self.conversation.busy or self.conversation.ended.is_set():
                return
            else:
                # A pause ends the work without an event; hence the look from time to time.
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    def silent_for(self) -> float:
        """Seconds since the tab last said something."""
        return time.monotonic() - self._heard

    async def aclose(self, service: Service) -> None:
        """Stops all work of the tab."""
        await service.close(self.conversation)
        self._wake.set()
        await self._pump

    async def _read(self) -> None:
        async for event in self.conversation.events():
            self._newest = event
            self._wake.set()
