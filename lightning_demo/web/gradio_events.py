"""The live loop over Gradio's own events, for networks that let no WebSocket through.

The same connection as the socket's: one hidden event carries a message in and streams what
comes of it out as text, with the picture as a data URI.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import anyio
import gradio as gr
from gradio.queueing import Queue

from ..engine.session import LiveEvent
from ..errors import LightningError
from . import messages
from .addresses import normal
from .live_connection import LiveConnection
from .service import POLL_SECONDS, Service

FORGET_SECONDS = 900.0  # a tab that said goodbye to nobody
STAY_SECONDS = 60.0  # three times as long as `transport.js` waits before it asks again
# Gradio's queue looks for events a thousand times a second. Each look takes the interpreter from
# the device's thread: a tenth of its time, where the model is small.
REST_SECONDS = 0.05  # between looks while no tab speaks through events; Gradio's own on Windows
PROGRESS_SECONDS = 1.0  # between looks for progress bars, of which the page has none


class EventStreams:
    """The connections of all tabs that speak through Gradio events, by Gradio session."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._streams: dict[str, _Stream] = {}
        self._stays: dict[str, asyncio.Event] = {}
        self._queue: Queue | None = None
        self._look_seconds = 0.0  # as Gradio has it

    def pace(self, queue: Queue) -> None:
        """From now on the queue looks for events as often as somebody needs it."""
        self._queue, self._look_seconds = queue, queue.sleep_when_free
        queue.progress_update_sleep_when_free = PROGRESS_SECONDS
        self._count()

    async def live(self, text: str, request: gr.Request) -> AsyncIterator[str]:
        """Takes one message of a tab and yields the answers, frames among them, as JSON text.

        A newer message of the same tab takes the rest of the stream over.
        """
        try:
            stream = await self._stream(request)
        except LightningError as problem:
            yield json.dumps(messages.error(0, problem))
            return
        answer = stream.connection.receive(messages.parse(text or ""), in_order=False)
        if answer is not None:
            yield json.dumps(answer)
            return
        async for answer_text in stream.answers():
            yield answer_text

    async def stay(self, request: gr.Request) -> None:
        """Keeps the stream of a tab open between its messages.

        Gradio closes it after the last answer and opens another for the next message: a way there
        and back more for each key, and now and then the two cross, upon which its page takes the
        connection for lost and loads again, in the middle of a word.
        """
        session = request.session_hash or ""
        self._let_go(session)
        mine = self._stays[session] = asyncio.Event()
        end = time.monotonic() + STAY_SECONDS
        while not (mine.is_set() or self._service.draining) and time.monotonic() < end:
            with anyio.move_on_after(POLL_SECONDS):
                await mine.wait()
        if self._stays.get(session) is mine:
            del self._stays[session]

    def status(self, request: gr.Request) -> str:
        """The state of engine and server as JSON text, and the load for a tab that shows it."""
        status = self._service.status()
        stream = self._streams.get(request.session_hash or "")
        if stream is not None and stream.connection.watching:
            status["load"] = self._service.load()
        return json.dumps(status)

    async def forget(self, request: gr.Request) -> None:
        """Ends the connection of a tab that has been closed."""
        self._let_go(request.session_hash or "")
        stream = self._streams.pop(request.session_hash or "", None)
        if stream is not None:
            self._count()
            await stream.aclose(self._service)

    def _count(self) -> None:
        """A tab has come or gone."""
        if self._queue is not None:
            self._queue.sleep_when_free = self._look_seconds if self._streams else REST_SECONDS

    def _let_go(self, session: str) -> None:
        if (staying := self._stays.pop(session, None)) is not None:
            staying.set()

    async def _stream(self, request: gr.Request) -> _Stream:
        session = request.session_hash or ""
        for name, stream in list(self._streams.items()):
            if stream.connection.ended.is_set() or stream.idle_for() > FORGET_SECONDS:
                if self._streams.get(name) is stream:  # and no newer one of that name
                    del self._streams[name]
                await stream.aclose(self._service)
        if session not in self._streams:
            address = normal(request.client.host if request.client else "")
            self._streams[session] = _Stream(self._service.open(address))
            self._count()
        return self._streams[session]


class _Stream:
    """One connection whose events are read by whichever of the tab's messages is newest."""

    def __init__(self, connection: LiveConnection) -> None:
        self.connection = connection
        self._newest: LiveEvent | None = None
        self._line = connection.line  # as it was last told
        self._turn = 0
        self._wake = asyncio.Event()
        self._received = time.monotonic()
        self._pump = asyncio.ensure_future(self._read())

    async def answers(self) -> AsyncIterator[str]:
        """Yields answers until all that was asked for has come, or a newer reader takes over.

        One that is taken over from ends with an empty text: Gradio sends an event's last value once
        more when it ends, which may be after the newer one's first, and a page would believe it.
        """
        self._received = time.monotonic()
        self._turn += 1
        turn = self._turn
        self._wake.set()
        while turn == self._turn:
            self._wake.clear()
            if self._line is not self.connection.line:
                self._line = self.connection.line
                yield json.dumps(self._line)
            elif self._newest is not None:
                event, self._newest = self._newest, None
                if event.error is not None:
                    yield json.dumps(messages.error(event.sequence, event.error))
                elif event.frame is not None:
                    yield messages.frame_text(event.sequence, event.frame, event.budget)
            elif not self.connection.busy or self.connection.ended.is_set():
                return
            else:
                # A pause ends the work without an event; hence the look from time to time.
                with anyio.move_on_after(POLL_SECONDS):
                    await self._wake.wait()
        yield ""

    def idle_for(self) -> float:
        """Seconds since the tab last said something."""
        return time.monotonic() - self._received

    async def aclose(self, service: Service) -> None:
        """Stops all work of the tab."""
        await service.close(self.connection)
        self._wake.set()
        await self._pump

    async def _read(self) -> None:
        async for event in self.connection.events():
            self._newest = event
            self._wake.set()
