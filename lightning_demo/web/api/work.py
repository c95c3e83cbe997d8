"""For other servers of this demo, which let this one paint for their visitors (`--fallback`).

`GET /v1/engine` says how the engine is, `POST /v1/work` paints and streams what the engine says,
`POST /v1/claims` changes the claim of work that waits (`engine/wire.py`). Work that has come
this way is painted on this machine or not at all: two servers that stand by for each other would
send it round and round.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ... import __version__
from ...engine.base import Engine, Forecast, Started, Stream, Value, Work
from ...engine.wire import MEDIA_TYPE, error_header, forecast_header, frame_header, pack
from ...engine.wire_fields import instance, parse_work, status_fields
from ...errors import InvalidRequest, LightningError, report_incident
from ...images import encode_lossless
from ...schemas import EngineStatus, Frame
from ..callers import Caller
from ..closing_stream import ClosingStream
from ..http_json import read_json
from ..painting import Painting
from .service import Api, answers, as_problem, bound, log

BEAT_SECONDS = 0.5  # after which a quiet stream says that it is alive
MAX_NAME = 64  # characters by which work is named

Key = tuple[str, str]  # caller, and its name for the work


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
    caller: Callable[[Request], Caller]
    draining: Callable[[], bool]


def routes(api: Api) -> list[BaseRoute]:
    """The three routes, of a server with all the rest."""
    service = api.service
    return site_routes(Site(service.engine, api.painting, api.caller, lambda: service.draining))


def site_routes(site: Site) -> list[BaseRoute]:
    """The three routes."""
    desk = Desk(site)
    return [
        Route("/v1/engine", bound(Desk.status, desk)),
        Route("/v1/work", bound(Desk.take, desk), methods=["POST"]),
        Route("/v1/claims", bound(Desk.amend, desk), methods=["POST"]),
    ]


class Desk:
    """The work that other servers have brought, by the names that they have given it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._works: dict[Key, Work] = {}

    @answers(as_problem)
    async def status(self, http: Request) -> Response:
        """What this machine's own engine is and how it is doing."""
        self._server(http)
        status, draining = self._site.engine.status(), self._site.draining()
        content = status_fields(status, __version__, instance(), draining=draining)
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    @answers(as_problem)
    async def take(self, http: Request) -> Response:
        """Paints, and streams what the engine says."""
        caller = self._server(http)
        fields = await read_json(http)
        if set(fields) != {"name", "version", "fingerprint", "instance", "work", "raw"}:
            raise InvalidRequest("Send name, version, fingerprint, instance, work and raw.")
        if not isinstance(fields["raw"], bool):
            raise InvalidRequest("raw: must be true or false.", field="raw")
        status = self._site.engine.status()
        _check_same(status, fields)
        key = caller.name, _name(fields["name"])
        if key in self._works:
            raise InvalidRequest("name: there is work of this name already.", field="name")
        work = parse_work(fields["work"], status.limits, time.monotonic(), caller.name)
        self._site.painting.check(caller)
        log.debug("%s: work of %s is here", key[1], caller.name)
        return ClosingStream(self._records(key, work, caller, fields["raw"]), MEDIA_TYPE)

    @answers(as_problem)
    async def amend(self, http: Request) -> Response:
        """Gives work another claim; nothing happens to work that is not here any more."""
        caller = self._server(http)
        fields = await read_json(http)
        if set(fields) != {"name", "work"}:
            raise InvalidRequest("Send name and work.")
        key = caller.name, _name(fields["name"])
        limits = self._site.engine.status().limits
        amended = parse_work(fields["work"], limits, time.monotonic(), caller.name)
        known = self._works.get(key)
        if known is not None and known.request == amended.request:
            self._works[key] = amended
            self._site.engine.amend(known, amended)
        return Response(status_code=204)

    def _server(self, http: Request) -> Caller:
        caller = self._site.caller(http)
        if not caller.server:
            raise NotForServers(
                "This is for other servers of this demo: add server=1 to the line of their key."
            )
        return caller

    async def _records(
        self, key: Key, work: Work, caller: Caller, raw: bool
    ) -> AsyncGenerator[bytes, None]:
        self._works[key] = work
        try:
            async with (
                aclosing(self._site.painting.work(work, caller)) as values,
                aclosing(self._beats(key, values, raw)) as records,
            ):
                async for record in records:
                    yield record
        except Exception as error:
            told = report_incident(error, "The picture could not be painted", log)
            yield pack("error", error_header(told))
        finally:
            self._works.pop(key, None)
            log.debug("%s: work of %s has left", key[1], caller.name)

    async def _beats(self, key: Key, values: Stream, raw: bool) -> AsyncGenerator[bytes, None]:
        """A record for each value, and while there is none, how long it will still be."""
        waits = True
        following = asyncio.ensure_future(anext(values, None))
        try:
            yield self._line(key)
            while True:
                done, _ = await asyncio.wait([following], timeout=BEAT_SECONDS)
                if not done:
                    yield self._line(key) if waits else pack("alive")
                    continue
                value = following.result()
                if value is None:
                    return
                waits = not isinstance(value, (Started, Frame))
                yield await _record(value, raw, lossless=not self._works[key].draft)
                following = asyncio.ensure_future(anext(values, None))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def _line(self, key: Key) -> bytes:
        forecast: Forecast | None = self._site.engine.forecast(self._works[key])
        return pack("line", forecast_header(forecast))


async def _record(value: Value, raw: bool, *, lossless: bool) -> bytes:
    """One value; a finished picture with its pixels, as they are or as a second, lossless file."""
    if not isinstance(value, Frame):
        return pack(type(value).__name__.lower())
    parts = [value.data]
    if raw and value.final and value.pixels is not None:
        parts.append(value.pixels.tobytes())
    elif value.final and lossless and value.pixels is not None:
        parts.append(await asyncio.to_thread(encode_lossless, value.pixels))
    return pack("frame", frame_header(value), *parts)


def _check_same(status: EngineStatus, fields: Any) -> None:
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
