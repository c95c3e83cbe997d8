"""One connection to another server of this demo, which all work that it is given shares.

A request of its own for each picture would cost both ends several times as much. Knows WebSockets
as a client, and that records have names; nothing of what they say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from ..errors import EngineHung, EngineUnavailable, NotTaken
from .wire import Record, unpack

LOOKS = 6  # at whether it is silent, before it counts as hung


class Socket(ClientConnection):
    """Notes that something has come, if only a part: on a slow line a picture takes seconds."""

    heard = False

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.heard = True
        super().data_received(data)


class Channel:
    """See above. Belongs to one event loop."""

    def __init__(self, socket: Socket, url: str, silence_seconds: float) -> None:
        """
        Args:
            url: what the other server is called in errors.
            silence_seconds: without a byte while work is there, after which it counts as hung.
        """
        self._socket, self._url = socket, url
        self._period = silence_seconds / LOOKS
        self._ended = False
        self._quiet = 0  # looks since the last byte
        self._streams: dict[str, asyncio.Queue[Record | EngineUnavailable]] = {}
        self._reading = asyncio.create_task(self._read())
        self._looking = asyncio.create_task(self._look())

    @property
    def is_open(self) -> bool:
        """Whether it may be given work."""
        return not self._ended

    @asynccontextmanager
    async def records(self, content: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[Record]]:
        """The records about work, by its `name`; leaving them before the last stops the work.

        Raises:
            NotTaken: the other server has not taken it.
            EngineUnavailable: it went away; `EngineHung`: it says nothing any more.
        """
        if self._ended:  # since it was looked at: nothing would ever come
            raise NotTaken(f"{self._url} has broken off.")
        name = content["name"]
        stream = self._streams[name] = asyncio.Queue()
        if len(self._streams) == 1:
            self._quiet = 0
        try:
            await self.send(content)
            async with aclosing(_each(stream)) as records:
                yield records
        finally:
            # What is over has left by itself; of what is lost, nobody is there to be told.
            if self._streams.pop(name, None) is not None:
                with suppress(NotTaken):
                    await self.send({"name": name})

    async def send(self, content: Mapping[str, Any]) -> None:
        """Tells the other server something.

        Raises:
            NotTaken: it cannot be told.
        """
        try:
            await self._socket.send(json.dumps(content))
        except ConnectionClosed as error:
            raise NotTaken(f"{self._url} does not answer ({error}).") from None

    async def aclose(self) -> None:
        """Ends the connection, and all work with it."""
        await self._socket.close()
        await asyncio.gather(self._looking, self._reading, return_exceptions=True)

    async def _read(self) -> None:
        """Hands each record to whoever waits for it, until there are no more."""
        lost = EngineUnavailable(f"{self._url} has broken off.")
        try:
            async for message in self._socket:
                record = unpack(message)
                stream = self._streams.get(record.name)
                if stream is not None:
                    stream.put_nowait(record)
                    if record.is_last:
                        del self._streams[record.name]
        except ConnectionClosed as error:
            lost = EngineUnavailable(f"{self._url} has broken off ({error}).")
        except ValueError as error:
            lost = EngineUnavailable(f"{self._url} does not speak as it should ({error}).")
        finally:
            self._looking.cancel()
            self._end(lost)

    async def _look(self) -> None:
        """Gives up a server that has said nothing at all for too long.

        By looks and not by the clock: in a time in which this loop did not run, it heard nothing.
        """
        while self._quiet < LOOKS or not self._streams:
            await asyncio.sleep(self._period)
            self._quiet = 0 if self._socket.heard else self._quiet + 1
            self._socket.heard = False
        self._end(EngineHung(f"{self._url} has said nothing for too long."))
        self._reading.cancel()

    def _end(self, error: EngineUnavailable) -> None:
        """Nothing more comes."""
        self._ended = True
        self._socket.transport.abort()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.put_nowait(error)


async def _each(
    stream: asyncio.Queue[Record | EngineUnavailable],
) -> AsyncGenerator[Record, None]:
    taken = False
    while True:
        item = await stream.get()
        if isinstance(item, Record):
            taken = True  # it answers before it begins
            yield item
        elif taken or isinstance(item, EngineHung):
            raise item
        else:
            raise NotTaken(item.message)
