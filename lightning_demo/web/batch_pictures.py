"""The page's batches, some pictures at a time: asked for at once, each sent when it is there.

One stream carries several, as a browser opens six connections to a server and the live loop needs
its own. They give way to all others. What is wrong with one picture ends that one.

The answer is a record for each, in any order: the length of a header (4 bytes, big-endian), the
header as JSON, and as many bytes of a picture as it says.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..errors import (
    DeviceLost,
    EngineUnavailable,
    InvalidRequest,
    RateLimited,
    report_incident,
)
from ..images import JPEG_QUALITY, encode
from ..schemas import GenerationRequest
from ..tasks import tasks
from .addresses import discount
from .batch_list import FORMATS
from .callers import Caller, caller_at, trusted
from .closing_stream import ClosingStream
from .guard import check_login, from_this_machine, may_seem_this_machine
from .http_json import answers_problems, read_json
from .service import Service

log = logging.getLogger(__name__)

MAX_REQUESTS = 16  # of one message
MAX_STREAMS = 4  # of one address at one time
AGAIN = (EngineUnavailable, RateLimited, DeviceLost)  # no fault of the picture's


class BatchPictures:
    """The route; belongs to one event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._streams: Counter[Hashable] = Counter()

    @answers_problems
    async def answer(self, request: Request) -> Response:
        """A stream of pictures; their settings are inside."""
        check_login(request)
        caller = replace(caller_at(request), origin="page", yields=True)
        if from_this_machine(request) and not may_seem_this_machine(self._service.settings):
            caller = trusted(caller)
        if self._service.draining:
            self._service.painting.admit(caller)  # says so
        format, asked = _parse(await read_json(request))
        if self._full(caller):
            raise RateLimited("Other batches are painted for you already; they come first.")
        records = self._records(asked, format, caller)
        return ClosingStream(records, "application/octet-stream")

    async def _records(
        self, asked: Sequence[Mapping[str, Any]], format: str, caller: Caller
    ) -> AsyncGenerator[bytes, None]:
        """Each picture as soon as it is there. Closing it stops the others.

        What has not come is asked for again.
        """
        if self._full(caller):  # others have begun since the answer
            return
        found: asyncio.Queue[bytes] = asyncio.Queue()

        async def one(place: int, fields: Mapping[str, Any]) -> None:
            about, data = await self._painted(fields, format, caller)
            head = json.dumps({"place": place, **about, "bytes": len(data)}).encode()
            found.put_nowait(len(head).to_bytes(4, "big") + head + data)

        self._streams[caller.client] += 1
        try:
            async with tasks(*(one(*each) for each in enumerate(asked))):
                for _ in asked:
                    yield await found.get()
        finally:
            discount(self._streams, caller.client)

    def _full(self, caller: Caller) -> bool:
        return self._streams[caller.client] >= MAX_STREAMS

    async def _painted(
        self, fields: Mapping[str, Any], format: str, caller: Caller
    ) -> tuple[dict[str, Any], bytes]:
        """What is told of a picture, and its file; no bytes where there is none."""
        painting = self._service.painting
        try:
            template = _template(fields)
            fields = {name: value for name, value in fields.items() if name != "template"}
            request = GenerationRequest.parse(fields, self._service.engine.status().limits)
            await self._admitted(caller)
            frame = await painting.paint(request, caller)
            how = (format, JPEG_QUALITY, frame.weights, template)
            data = await asyncio.to_thread(encode, frame.pixels, request, frame.model, *how)
        except Exception as error:
            reported = report_incident(error, "The picture could not be painted", log)
            return {"error": reported.message, "again": isinstance(reported, AGAIN)}, b""
        about = {"seconds": round(frame.seconds, 3), "model": frame.model, "notes": frame.notes}
        return about, data

    async def _admitted(self, caller: Caller) -> None:
        """Waits until the caller may have one more."""
        while True:
            try:
                self._service.painting.admit(caller)
                return
            except RateLimited as error:
                await asyncio.sleep(error.seconds)


def _template(fields: Mapping[str, Any]) -> str:
    """What the prompt of a request was made of, for its file; empty where that is not said.

    Raises:
        InvalidRequest: it is no text.
    """
    template = fields.get("template", "")
    if not isinstance(template, str):
        raise InvalidRequest("template: must be text.", field="template")
    return template


def _parse(fields: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    """The format and the fields of each request; these are checked one by one.

    Raises:
        InvalidRequest: naming the field at fault.
    """
    if fields.keys() != {"format", "requests"}:
        raise InvalidRequest("Send format and requests.")
    format, asked = fields["format"], fields["requests"]
    if format not in FORMATS:
        raise InvalidRequest(f"format: must be one of {', '.join(FORMATS)}.", field="format")
    several = isinstance(asked, list) and 1 <= len(asked) <= MAX_REQUESTS
    if not several or not all(isinstance(each, dict) for each in asked):
        raise InvalidRequest(
            f"requests: must be a list of 1 to {MAX_REQUESTS} objects.", field="requests"
        )
    return format, asked
