"""For other servers of this demo, which let this one paint for their visitors (`--fallback`).

`GET /v1/engine` says how the engine is, `POST /v1/work` paints and streams what the engine says,
`POST /v1/claims` changes the claim of work that waits (`engine/wire.py`). Work that has come
this way is painted on this machine or not at all: two servers that stand by for each other would
send it round and round.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ... import __version__
from ...engine.base import Forecast, Started, Stream, Value, Work
from ...engine.wire import MEDIA_TYPE, error_header, forecast_header, frame_header, pack
from ...engine.wire_fields import instance, parse_work, status_fields
from ...errors import InvalidRequest, LightningError, report_incident
from ...images import encode_lossless
from ...schemas import Frame
from ..callers import Caller
from ..closing_stream import ClosingStream
from ..http_json import read_json
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


def routes(api: Api) -> list[BaseRoute]:
    """The three routes."""
    desk = Desk()

    @answers(as_problem)
    async def work(api: Api, http: Request) -> Response:
        return await desk.take(api, http)

    @answers(as_problem)
    async def claims(api: Api, http: Request) -> Response:
        return await desk.amend(api, http)

    return [
        Route("/v1/engine", bound(engine, api)),
        Route("/v1/work", bound(work, api), methods=["POST"]),
        Route("/v1/claims", bound(claims, api), methods=["POST"]),
    ]


@answers(as_problem)
async def engine(api: Api, http: Request) -> Response:
    """What this machine's own engine is and how it is doing."""
    _server(api, http)
    status, draining = api.service.engine.status(), api.service.draining
    content = status_fields(status, __version__, instance(), draining=draining)
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


class Desk:
    """The work that other servers have brought, by the names that they have given it."""

    def __init__(self) -> None:
        self._works: dict[Key, Work] = {}

    async def take(self, api: Api, http: Request) -> Response:
        """Paints, and streams what the engine says."""
        caller = _server(api, http)
        fields = await read_json(http)
        if set(fields) != {"name", "version", "fingerprint", "instance", "work"}:
            raise InvalidRequest("Send name, version, fingerprint, instance and work.")
        _check_same(api, fields)
        key = caller.name, _name(fields["name"])
        if key in self._works:
            raise InvalidRequest("name: there is work of this name already.", field="name")
        work = parse_work(fields["work"], api.limits, time.monotonic(), caller.name)
        api.painting.check(caller)
        records = self._records(api, key, work, caller)
        return ClosingStream(records, MEDIA_TYPE)

    async def amend(self, api: Api, http: Request) -> Response:
        """Gives work another claim; nothing happens to work that is not here any more."""
        caller = _server(api, http)
        fields = await read_json(http)
        if set(fields) != {"name", "work"}:
            raise InvalidRequest("Send name and work.")
        key = caller.name, _name(fields["name"])
        amended = parse_work(fields["work"], api.limits, time.monotonic(), caller.name)
        known = self._works.get(key)
        if known is not None and known.request == amended.request:
            self._works[key] = amended
            api.service.engine.amend(known, amended)
        return Response(status_code=204)

    async def _records(
        self, api: Api, key: Key, work: Work, caller: Caller
    ) -> AsyncGenerator[bytes, None]:
        self._works[key] = work
        try:
            async with (
                aclosing(api.painting.work(work, caller)) as values,
                aclosing(self._beats(api, key, values)) as records,
            ):
                async for record in records:
                    yield record
        except Exception as error:
            told = report_incident(error, "The picture could not be painted", log)
            yield pack("error", error_header(told))
        finally:
            self._works.pop(key, None)

    async def _beats(self, api: Api, key: Key, values: Stream) -> AsyncGenerator[bytes, None]:
        """A record for each value, and while there is none, how long it will still be."""
        waits = True
        following = asyncio.ensure_future(anext(values, None))
        try:
            yield self._line(api, key)
            while True:
                done, _ = await asyncio.wait([following], timeout=BEAT_SECONDS)
                if not done:
                    yield self._line(api, key) if waits else pack("alive")
                    continue
                value = following.result()
                if value is None:
                    return
                waits = not isinstance(value, (Started, Frame))
                yield await _record(value, lossless=not self._works[key].draft)
                following = asyncio.ensure_future(anext(values, None))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def _line(self, api: Api, key: Key) -> bytes:
        forecast: Forecast | None = api.service.engine.forecast(self._works[key])
        return pack("line", forecast_header(forecast))


async def _record(value: Value, *, lossless: bool) -> bytes:
    if not isinstance(value, Frame):
        return pack(type(value).__name__.lower())
    parts = [value.data]
    if value.final and lossless and value.pixels is not None:
        parts.append(await asyncio.to_thread(encode_lossless, value.pixels))
    return pack("frame", frame_header(value), *parts)


def _server(api: Api, http: Request) -> Caller:
    caller = api.caller(http)
    if not caller.server:
        raise NotForServers(
            "This is for other servers of this demo: add server=1 to the line of their key."
        )
    return caller


def _check_same(api: Api, fields: Any) -> None:
    """Refuses work whose picture would be another one than its sender's."""
    if fields["instance"] == instance():
        raise Differs("This is the very server that asks.")
    if fields["version"] != __version__:
        raise Differs(f"This server is of version {__version__}.")
    status = api.service.engine.status()
    if fields["fingerprint"] != status.fingerprint:
        raise Differs(f"This server paints with other weights: {status.title}.")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise InvalidRequest(f"name: must be a text of 1 to {MAX_NAME} characters.", field="name")
    return value
