"""fal's queue: submit, ask for the status or follow it, fetch the result, cancel.

After fal's Queue API (fal.ai/docs/api-reference/inference-api).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import LightningError
from ..callers import Caller
from . import event_stream
from .fal import APP, ERROR_TYPES, REQUEST_ID, as_fal, described, image, read, result
from .files import Picture, data_uri
from .job import ENDED, Record
from .service import Api, answers, bound
from .store import NotFound

VENDOR = "fal"
QUEUE = f"/fal/queue/{APP}"

STATES = {"queued": "IN_QUEUE", "running": "IN_PROGRESS"}  # and COMPLETED, however it ended


class InProgress(LightningError):
    """The result is asked for before there is one."""

    status = 400


class Cancelled(LightningError):
    """The client has taken the request back."""

    status = 499


def routes(api: Api) -> list[BaseRoute]:
    """The queue's routes."""
    one = f"{QUEUE}/requests/{{name}}"
    return [
        Route(QUEUE, bound(submit, api), methods=["POST"]),
        Route(one, bound(outcome, api), methods=["GET"]),
        Route(f"{one}/status", bound(status, api), methods=["GET"]),
        Route(f"{one}/status/stream", bound(status_stream, api), methods=["GET"]),
        Route(f"{one}/cancel", bound(cancel, api), methods=["PUT"]),
    ]


@answers(as_fal)
async def submit(api: Api, http: Request) -> Response:
    """Puts a request in the queue."""
    question, order, caller = await read(api, http)
    given = {
        "prompt": order.requests[0].prompt,
        "request_id": question.request_id,
        "sync_mode": question.sync_mode,
    }
    job = await api.jobs.start(VENDOR, caller, order, given)
    return _answer(api, http, job.record, 200)


@answers(as_fal)
async def status(api: Api, http: Request) -> Response:
    """How far a request is."""
    record = await _record(api, http, api.caller(http))
    return _answer(api, http, record, 200 if record.state in ENDED else 202)


@answers(as_fal)
async def status_stream(api: Api, http: Request) -> Response:
    """Server-sent events with the status whenever it changes, and only what is new of the logs."""
    caller = api.caller(http)
    record = await _record(api, http, caller)
    return event_stream.stream(_statuses(api, http, caller, record))


@answers(as_fal)
async def outcome(api: Api, http: Request) -> Response:
    """The result of a request, or the error that it ended with; as often as it is asked for."""
    record = await _record(api, http, api.caller(http))
    if record.state == "succeeded":
        images = [await _image(api, http, record, picture) for picture in record.done]
        given = record.input
        about = (given["prompt"], record.seed, record.seconds, record.warnings, given["request_id"])
        flagged = [picture.blurred for picture in record.done]
        return JSONResponse(result(images, *about, flagged), headers=_headers(record))
    response = as_fal(_error_of(record))
    response.headers.update(_headers(record))
    return response


@answers(as_fal)
async def cancel(api: Api, http: Request) -> Response:
    """Takes a request back; what is being painted ends within a step."""
    caller = api.caller(http)
    try:
        before = (await _record(api, http, caller)).state
        record = await api.jobs.cancel(VENDOR, caller, http.path_params["name"])
    except NotFound as error:
        content = {"status": "NOT_FOUND", "detail": error.message}
        return JSONResponse(content, error.status)
    if before in ENDED or record.state != "cancelled":
        content = {"status": "ALREADY_COMPLETED", "detail": "This request has ended already."}
        return JSONResponse(content, 400, _headers(record))
    return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202, _headers(record))


async def _record(api: Api, http: Request, caller: Caller) -> Record:
    return await api.jobs.record(VENDOR, caller, http.path_params["name"])


def _answer(api: Api, http: Request, record: Record, code: int) -> Response:
    return JSONResponse(_described(api, http, record), code, _headers(record))


async def _statuses(
    api: Api, http: Request, caller: Caller, record: Record
) -> AsyncGenerator[bytes, None]:
    """The status now, then whenever something has happened, to the end."""
    told: dict[str, Any] = {}
    lines = 0
    job = api.jobs.live(VENDOR, caller, record.id)
    happened = job.events() if job is not None else None
    while True:
        now = _described(api, http, record, after=lines)
        lines += len(now.get("logs", ()))
        if now["status"] != told.get("status") or now.get("logs"):
            yield event_stream.event(now)
        told = now
        if now["status"] == "COMPLETED" or happened is None:
            return
        await anext(happened)


def _described(api: Api, http: Request, record: Record, after: int = 0) -> dict[str, Any]:
    """A status.

    Args:
        after: the lines of the logs that have been told.
    """
    address = f"{str(http.base_url).rstrip('/')}{QUEUE}/requests/{record.id}"
    content: dict[str, Any] = {
        "status": STATES.get(record.state, "COMPLETED"),
        "request_id": record.id,
        "response_url": address,
        "status_url": f"{address}/status",
        "cancel_url": f"{address}/cancel",
    }
    if record.state == "queued":
        return {**content, "queue_position": api.jobs.place(record)}
    wanted = http.query_params.get("logs", "").lower() in ("1", "true")
    content["logs"] = _logs(record, after) if wanted else []
    if record.state in ENDED:
        content["metrics"] = {"inference_time": round(record.seconds, 4)}
    if record.state in ("failed", "cancelled"):
        error = _error_of(record)
        content["error"] = error.message
        content["error_type"] = ERROR_TYPES.get(error.status, "bad_request")
    return content


def _logs(record: Record, after: int) -> list[dict[str, str]]:
    """Lines of the logs; all bear the time of the start, for each has none of its own."""
    begun = datetime.fromtimestamp(record.started or record.created, timezone.utc)
    return [
        {
            "message": line,
            "level": "WARN" if line in record.warnings else "INFO",
            "source": "USER",
            "timestamp": begun.isoformat(),
        }
        for line in record.logs[after:]
    ]


def _error_of(record: Record) -> LightningError:
    """Why there is no result."""
    if record.state == "cancelled":
        return Cancelled("The request was cancelled.")
    if record.state == "failed":
        error = LightningError(record.error, field=record.error_field)
        error.status = record.status
        return error
    return InProgress("Request is still in progress")


async def _image(api: Api, http: Request, record: Record, picture: Picture) -> dict[str, Any]:
    """A picture with its address, or if `sync_mode` with all of it."""
    if not record.input["sync_mode"]:
        return image(http, picture)
    found = await asyncio.to_thread(api.store.file, picture.name)
    data = await asyncio.to_thread(found.path.read_bytes)
    whole = {"url": data_uri(data, picture.media_type)}
    return described(whole, picture.media_type, (picture.width, picture.height))


def _headers(record: Record) -> dict[str, str]:
    return {"Cache-Control": "no-store", REQUEST_ID: record.id}
