"""fal's realtime: a WebSocket that paints one frame after the other, the newest ones if any wait.

After fal's clients and its server (github.com/fal-ai/fal, projects/fal/src/fal/realtime.py). A
frame is a map of the model's input, in msgpack or as JSON text, and is answered alike; errors and
timings are JSON text whatever the frames are.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any

import anyio
import msgpack
from pydantic import Field
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ...errors import EngineUnavailable, InvalidRequest, LightningError, report_incident
from ...schemas import Frame
from ...tasks import tasks
from ..messages import MAX_MESSAGE_BYTES, load_json
from .fal import (
    RUN,
    FalQuestion,
    as_fal,
    described,
    detail_of,
    identified,
    painted_result,
)
from .files import data_uri, encoded
from .order import Order
from .reading import validate
from .service import Api, log

MAX_CONNECTIONS = 1_000
MAX_BUFFERING = 60  # frames, as fal's clients check
BUFFERING = 2  # what fal recommends
IDLE_SECONDS = 300.0

# Our names for what went wrong, by HTTP status; fal's own are not published.
ERRORS = {403: "UNAUTHORIZED", 422: "INVALID_INPUT", 429: "RATE_LIMITED", 503: "UNAVAILABLE"}


class RealtimeQuestion(FalQuestion):
    """The model's input with what only realtime knows."""

    force_msgpack: Annotated[bool, Field(alias="_force_msgpack")] = False
    emit_timings: bool = False


class Waiting:
    """The newest frames of a client, which wait for their turn; older ones are dropped."""

    def __init__(self, count: int) -> None:
        self._frames: deque[bytes | str] = deque(maxlen=count)
        self._some = asyncio.Event()

    def put(self, frame: bytes | str) -> None:
        """Adds a frame; never more than `count`, nor more than one large one's bytes."""
        self._frames.append(frame)
        while len(self._frames) > 1 and sum(map(len, self._frames)) > MAX_MESSAGE_BYTES:
            self._frames.popleft()
        self._some.set()

    async def next(self) -> bytes | str:
        """The oldest frame, when there is one."""
        await self._some.wait()
        frame = self._frames.popleft()
        if not self._frames:
            self._some.clear()
        return frame


def routes(api: Api) -> list[BaseRoute]:
    """The route of realtime."""
    return [WebSocketRoute(f"{RUN}/realtime", Realtime(api).serve)]


class Realtime:
    """All realtime connections of a server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serves one connection until either side ends it."""
        who = identified(socket)
        try:
            self._api.caller(who)
            waiting = Waiting(_buffering(socket.query_params.get("max_buffering")))
            if self._open >= MAX_CONNECTIONS:
                raise EngineUnavailable(f"{MAX_CONNECTIONS} connections are open already.")
        except LightningError as error:
            await socket.send_denial_response(as_fal(error))
            return
        await socket.accept()
        self._open += 1
        try:
            async with tasks(
                _receive(socket, waiting), self._answer(socket, waiting, who)
            ) as running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (WebSocketDisconnect, RuntimeError):
            # Starlette raises RuntimeError for a send after the other side has gone.
            pass
        finally:
            self._open -= 1

    async def _answer(self, socket: WebSocket, waiting: Waiting, who: HTTPConnection) -> None:
        while True:
            try:
                with anyio.fail_after(IDLE_SECONDS):
                    frame = await waiting.next()
            except TimeoutError:
                # As fal does; its JavaScript client connects again when there is something to say.
                reason = "no inputs, reconnect when needed!"
                await socket.send_json(_error("TIMEOUT", reason))
                await socket.close()
                return
            for answer in await self._answers(frame, who):
                if isinstance(answer, bytes):
                    await socket.send_bytes(answer)
                else:
                    await socket.send_text(answer)

    async def _answers(self, frame: bytes | str, who: HTTPConnection) -> list[bytes | str]:
        """What a frame is answered with."""
        begun = time.perf_counter()
        fields: Mapping[str, Any] = {}
        try:
            fields = _unpacked(frame)
            caller = self._api.admit(who)  # each time: keys are taken back while they are used
            question = validate(RealtimeQuestion, fields)
            order = self._api.place(question.asked(), caller)
            frames = await self._api.painting.paint_all(order.requests, caller)
            self._api.count_use(order, caller)
            packed = isinstance(frame, bytes) or question.force_msgpack
            answers = [await _result(question, order, frames, packed)]
        except Exception as error:
            told = report_incident(error, "The picture could not be painted", log)
            kind = ERRORS.get(told.status, "INTERNAL_ERROR")
            about = {"request_id": _request_id(fields), "detail": detail_of(told)}
            return [json.dumps(_error(kind, told.message, **about))]
        if question.emit_timings:
            seconds = round(time.perf_counter() - begun, 4)
            message = {"type": "x-fal-message", "action": "timings", "timing": seconds}
            answers.append(json.dumps(message))
        return answers


async def _receive(socket: WebSocket, waiting: Waiting) -> None:
    """Takes frames as they come, unread: only those whose turn comes cost anything."""
    while (event := await socket.receive())["type"] != "websocket.disconnect":
        text = event.get("text")
        waiting.put(text if text is not None else event.get("bytes") or b"")


async def _result(
    question: RealtimeQuestion, order: Order, frames: list[Frame], packed: bool
) -> bytes | str:
    """The model's output as one frame.

    Args:
        packed: whether in msgpack, where pictures may be bytes.
    """
    raw = packed and (question.force_msgpack or question.sync_mode)
    media_type = order.output.media_type
    images = []
    for frame in frames:
        data = await encoded(frame, order.output)
        picture = {"content": data} if raw else {"url": data_uri(data, media_type)}
        images.append(described(picture, media_type, frame.size))
    content = painted_result(images, question, order, frames)
    return msgpack.packb(content) if packed else json.dumps(content)


def _unpacked(frame: bytes | str) -> Mapping[str, Any]:
    """The untrusted fields of a frame.

    Raises:
        InvalidRequest: it is no map with named fields.
    """
    if len(frame) > MAX_MESSAGE_BYTES:
        raise InvalidRequest(f"At most {MAX_MESSAGE_BYTES:,} bytes may be sent at once.")
    try:
        content = load_json(frame) if isinstance(frame, str) else msgpack.unpackb(frame)
    except (ValueError, msgpack.UnpackException):
        raise InvalidRequest("A frame must be msgpack, or JSON as text.") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise InvalidRequest("A frame must be a map with named fields.")
    return content


def _request_id(fields: Mapping[str, Any]) -> str:
    """By which the client knows what went wrong, whatever else is wrong with its frame."""
    given = fields.get("request_id")
    return given[:1_000] if isinstance(given, str) else ""


def _buffering(text: str | None) -> int:
    """How many frames may wait, 1 … 60.

    Raises:
        InvalidRequest: it is something else.
    """
    if text is None:
        return BUFFERING
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MAX_BUFFERING):
        raise InvalidRequest(
            f"max_buffering: must be a whole number from 1 to {MAX_BUFFERING}.",
            field="max_buffering",
        )
    return int(text)


def _error(kind: str, reason: str, **about: Any) -> dict[str, Any]:
    return {"type": "x-fal-error", "error": kind, "reason": reason, **about}
