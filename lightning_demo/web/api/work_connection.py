"""One other server's connection, which all the work that it sends shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from ... import __version__
from ...engine.base import Engine, Requeued, Value, Work
from ...engine.wire import error_header, forecast_header, frame_header, pack, refusal_header
from ...engine.wire_fields import instance, parse_work
from ...errors import InvalidRequest, LightningError, RateLimited, report_incident
from ...images import encode_lossless
from ...schemas import EngineStatus, Frame
from ...tasks import tasks
from ..callers import Caller
from ..messages import load_json
from ..painting import Painting
from .service import log

BEAT_SECONDS = 0.5  # between two signs of life
MAX_NAME = 64  # characters by which work is named
WORK = {"name", "version", "fingerprint", "instance", "work", "raw"}
CLAIM = {"name", "work"}
LEAVE = {"name"}


class NotForServers(LightningError):
    """Whoever asks may ask for pictures, but not say how long its visitors have waited."""

    status = 403


class Differs(LightningError):
    """The two servers would not paint the same, or are one."""

    status = 409


@dataclass(frozen=True, slots=True)
class Site:
    """What paints for other servers, and who may ask it."""

    engine: Engine
    painting: Painting
    caller: Callable[[HTTPConnection], Caller]
    draining: Callable[[], bool]

    def server(self, connection: HTTPConnection) -> Caller:
        """Which other server asks.

        Raises:
            LightningError: none does that may.
        """
        caller = self.caller(connection)
        if not caller.server:
            raise NotForServers(
                "This is for other servers of this demo: add server=1 to the line of their key."
            )
        return caller


class WorkConnection:
    """See above. Belongs to one event loop."""

    def __init__(self, site: Site, socket: WebSocket) -> None:
        self._site, self._socket = site, socket
        self._works: dict[str, Work] = {}
        self._painting: dict[str, asyncio.Task[None]] = {}
        self._waiting: set[str] = set()  # those that have not started

    async def serve(self) -> None:
        """Does what is asked until the other server leaves, which stops all of its work."""
        try:
            async with tasks(self._beat()):
                while (event := await self._socket.receive())["type"] != "websocket.disconnect":
                    await self._hear(event.get("text") or event.get("bytes") or b"")
        finally:
            painting = list(self._painting.values())
            for task in painting:
                task.cancel()
            await asyncio.gather(*painting, return_exceptions=True)

    async def _hear(self, message: str | bytes) -> None:
        """Does what one message asks; what is refused is not painted."""
        fields, name = _object(message), ""
        try:
            name = _name(fields.get("name"))
            if set(fields) == WORK:
                self._take(name, fields)
            elif set(fields) == CLAIM:
                self._amend(name, fields)
            elif set(fields) == LEAVE:
                self._stop(name)
            else:
                raise InvalidRequest(f"Send {', '.join(sorted(WORK))}.")
        except Exception as error:
            told = report_incident(error, "The work could not be taken", log)
            self._stop(name)
            await self._tell(pack("refused", {"name": name, **refusal_header(told)}))

    def _take(self, name: str, fields: Mapping[str, Any]) -> None:
        if not isinstance(fields["raw"], bool):
            raise InvalidRequest("raw: must be true or false.", field="raw")
        if name in self._works:
            raise InvalidRequest("name: there is work of this name already.", field="name")
        caller = self._site.server(self._socket)  # each time: keys are taken back meanwhile
        status = self._site.engine.status()
        _check_same(status, fields)
        work = parse_work(fields["work"], status.limits, time.monotonic(), caller.name)
        self._site.painting.check(caller)
        log.debug("%s: work of %s is here", name, caller.name)
        self._works[name] = work
        self._waiting.add(name)
        painting = asyncio.create_task(self._paint(name, caller, fields["raw"]))
        painting.add_done_callback(lambda _: self._forget(name))  # even if it has not begun
        self._painting[name] = painting

    def _amend(self, name: str, fields: Mapping[str, Any]) -> None:
        """Gives work another claim; nothing happens to work that is not here any more."""
        caller, limits = self._site.server(self._socket), self._site.engine.status().limits
        amended = parse_work(fields["work"], limits, time.monotonic(), caller.name)
        known = self._works.get(name)
        if known is not None and known.request == amended.request:
            self._works[name] = amended
            self._site.engine.amend(known, amended)

    def _stop(self, name: str) -> None:
        if name in self._painting:
            self._painting[name].cancel()

    def _forget(self, name: str) -> None:
        del self._works[name], self._painting[name]
        self._waiting.discard(name)
        log.debug("%s: this work has left", name)

    async def _paint(self, name: str, caller: Caller, raw: bool) -> None:
        """Tells each value of one work."""
        try:
            await self._tell(self._line(name))
            work = self._works[name]  # a claim may have come since it was taken
            async with aclosing(self._site.painting.work(work, caller)) as values:
                async for value in values:
                    if isinstance(value, Requeued):
                        self._waiting.add(name)
                    else:
                        self._waiting.discard(name)
                    lossless = not self._works[name].draft
                    await self._tell(await _record(name, value, raw, lossless=lossless))
                    if isinstance(value, Frame) and value.final:
                        return
            await self._tell(pack("unfinished", {"name": name}))
        except RateLimited as error:  # others came at the same moment; another server may have room
            await self._tell(pack("refused", {"name": name, **refusal_header(error)}))
        except Exception as error:
            told = report_incident(error, "The picture could not be painted", log)
            await self._tell(pack("error", {"name": name, **error_header(told)}))

    async def _beat(self) -> None:
        """Says again and again that this server is alive, and of what waits how long it will."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for line in [self._line(name) for name in self._waiting]:
                await self._tell(line)
            if self._works:
                await self._tell(pack("alive"))

    def _line(self, name: str) -> bytes:
        forecast = self._site.engine.forecast(self._works[name])
        return pack("line", {"name": name, **forecast_header(forecast)})

    async def _tell(self, record: bytes) -> None:
        # Starlette raises RuntimeError for a send after the other side has gone; `serve` ends then.
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.send_bytes(record)


async def _record(name: str, value: Value, raw: bool, *, lossless: bool) -> bytes:
    """One value; a finished picture with its pixels, as they are or as a second, lossless file."""
    if not isinstance(value, Frame):
        return pack(type(value).__name__.lower(), {"name": name})
    parts = [value.data]
    if raw and value.final and value.pixels is not None:
        parts.append(value.pixels.tobytes())
    elif value.final and lossless and value.pixels is not None:
        parts.append(await asyncio.to_thread(encode_lossless, value.pixels))
    return pack("frame", {"name": name, **frame_header(value)}, *parts)


def _object(message: str | bytes) -> Mapping[str, Any]:
    try:
        fields = load_json(message)
    except (InvalidRequest, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _check_same(status: EngineStatus, fields: Mapping[str, Any]) -> None:
    """Refuses work whose picture would be another one than its sender's."""
    if fields["instance"] == instance():
        raise Differs("This is the very server that asks.")
    if fields["version"] != __version__:
        raise Differs(f"This server is of version {__version__}.")
    if fields["fingerprint"] != status.fingerprint:
        raise Differs(f"This server paints with other weights: {status.title}.")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise InvalidRequest(f"name: must be a text of 1 to {MAX_NAME} characters.", field="name")
    return value
