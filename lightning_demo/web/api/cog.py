"""Cog's HTTP API (docs/http.md of replicate/cog), as a container of the model would answer it.

Under `/cog` it is whole, with its discovery and OpenAPI documents; predictions and health are also
at the root, where the page has the rest. Pictures are data URLs, as Cog has them without an upload
address. Compared with coglet itself by tests/web/api/test_cog.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from itertools import takewhile
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import InvalidRequest, LightningError, RateLimited
from ..callers import Caller
from ..guard import logged_in
from ..http_json import EchoResponse
from ..painting import ClientGone, while_connected
from . import event_stream
from .cog_schema import COG_VERSION, cog_schema
from .files import data_uri
from .job import ENDED, Job, Record, owner_of
from .order import no_effect
from .prediction import PredictionInput, PredictionQuestion, order_of
from .reading import InvalidFields, read_question, validate
from .replicate import STATUSES
from .service import Api, answers, as_json, bound
from .store import NotFound, new_id

VENDOR = "cog"
BASE = "/cog"

HEALTH = {"loading": "STARTING", "ready": "READY", "failed": "SETUP_FAILED", "closed": "DEFUNCT"}
SETUP = {"loading": "starting", "failed": "failed"}


class CogQuestion(PredictionQuestion):
    """The body that creates a prediction."""

    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    context: dict[str, str] | None = None

    def ignored(self) -> list[str]:
        reason = "has no effect: it is for a model's own code, and there is none here"
        return no_effect({"context": self.context or None, **self.unknown}, {"context": reason})


def routes(api: Api) -> list[BaseRoute]:
    """The routes of Cog's API, at the root and, whole, under its own address."""
    both = [
        route
        for base in ("", BASE)
        for route in (
            Route(f"{base}/predictions", bound(create, api), methods=["POST"]),
            Route(f"{base}/predictions/{{id}}", bound(create, api), methods=["PUT"]),
            Route(f"{base}/predictions/{{id}}/cancel", bound(cancel, api), methods=["POST"]),
            Route(f"{base}/health-check", bound(health, api)),
        )
    ]
    return [
        *both,
        Route(f"{BASE}/", bound(discovery, api)),
        Route(f"{BASE}/openapi.json", bound(openapi, api)),
    ]


def as_cog(error: LightningError) -> Response:
    """An error as Cog answers it; 409 is how it says that it can take no more."""
    status = HTTPStatus.CONFLICT if isinstance(error, RateLimited) else error.status
    content: dict[str, Any] = {"error": error.message, "status": "failed"}
    if isinstance(error, InvalidRequest) and status == HTTPStatus.UNPROCESSABLE_ENTITY:
        content = {"detail": _faults(error)}
    return as_json(error, status, content)


@answers(as_cog)
async def create(api: Api, http: Request) -> Response:
    """Makes a prediction, or joins the one of this id that runs."""
    caller = api.admit(http)
    # Without a type there is no body, and everything is as by default.
    question = (
        await read_question(http, CogQuestion, strict=True)
        if "content-type" in http.headers
        else validate(CogQuestion, {})
    )
    named = http.path_params.get("id")
    if named and question.id not in (None, named):
        raise InvalidRequest("id: must be the one in the address.", field="id")
    name = named or question.id or new_id()
    streamed = "text/event-stream" in http.headers.get("accept", "")
    behind = "respond-async" in http.headers.get("prefer", "")

    running = _running(api, caller, name)
    if running is not None:
        if streamed:
            return event_stream.stream(_events(api, running))
        return EchoResponse(
            {**await described(api, running.record), "input": running.record.input},
            HTTPStatus.ACCEPTED,
        )
    order = order_of(api, question, caller)
    events = question.webhook_events_filter
    webhook = api.webhooks.parse(question.webhook, events) if question.webhook else None
    job = await api.jobs.start(
        VENDOR, caller, order, question.input or {}, {"id": name}, name=_job_name(caller, name)
    )
    if webhook is not None:

        async def content() -> Mapping[str, Any]:
            return await described(api, job.record)

        api.webhooks.follow(webhook, job, content)
    if streamed:
        # What was put under an id may be joined again; nothing else is worth going on with.
        return event_stream.stream(_events(api, job, caller if named is None else None))
    if behind:
        return JSONResponse({"id": name, "status": "starting"}, HTTPStatus.ACCEPTED)
    try:
        await while_connected(http, job.ended())
    except ClientGone:
        await api.jobs.cancel(VENDOR, caller, job.record.id)
        raise
    return JSONResponse(await described(api, job.record))


@answers(as_cog)
async def cancel(api: Api, http: Request) -> Response:
    """Stops a prediction that runs."""
    caller = api.caller(http)
    job = _running(api, caller, http.path_params["id"])
    if job is None:
        raise NotFound("No prediction of this id is running.")
    await api.jobs.cancel(VENDOR, caller, job.record.id)
    return JSONResponse({})


@answers(as_cog)
async def health(api: Api, http: Request) -> Response:
    """How the model is doing; always 200. The reason is for those who are logged in."""
    status = api.service.engine.status()
    setup = {
        "status": SETUP.get(status.state, "succeeded"),
        "logs": status.detail if logged_in(http) else "",
    }
    version = {"cog": COG_VERSION, "python": platform.python_version()}
    content = {"status": HEALTH[status.state], "setup": setup, "version": version}
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


@answers(as_cog)
async def discovery(api: Api, http: Request) -> Response:
    """What there is, and where."""
    content = {
        "cog_version": COG_VERSION,
        "openapi_url": f"{BASE}/openapi.json",
        "healthcheck_url": f"{BASE}/health-check",
        "predictions_url": f"{BASE}/predictions",
        "predictions_idempotent_url": f"{BASE}/predictions/{{prediction_id}}",
        "predictions_cancel_url": f"{BASE}/predictions/{{prediction_id}}/cancel",
    }
    return JSONResponse(content)


@answers(as_cog)
async def openapi(api: Api, http: Request) -> Response:
    """The model's OpenAPI document in Cog's form."""
    return JSONResponse(cog_schema(PredictionInput))


async def described(api: Api, record: Record) -> dict[str, Any]:
    """A prediction; `output` and `error` where there are any."""
    ended = record.state in ENDED
    content: dict[str, Any] = {
        "id": record.about["id"],
        "status": STATUSES[record.state],
        "logs": "".join(f"{line}\n" for line in record.logs),
        "metrics": {"predict_time": record.seconds} if ended else {},
    }
    finished = takewhile(lambda picture: picture is not None, record.pictures)
    output = [await _data(api, picture.name) for picture in finished if picture]
    if output:
        content["output"] = output
    if record.error:
        content["error"] = record.error
    return content


async def _events(api: Api, job: Job, owner: Caller | None = None) -> AsyncGenerator[bytes, None]:
    """`start`, `output`, `log`, then `completed` with the whole prediction.

    Args:
        owner: for whom the prediction is given up when the client goes away; None: it goes on.
    """
    try:
        for line in job.logs:
            yield _log(line)
        async for _, event in job.events():
            if event.kind == "started":
                start = {"id": job.record.about["id"], "status": "processing"}
                yield event_stream.event(start, "start")
            if event.picture is not None:
                output = {"chunk": await _data(api, event.picture.name), "index": event.place}
                yield event_stream.event(output, "output")
            for line in event.logs:
                yield _log(line)
        yield event_stream.event(await described(api, job.record), "completed")
    finally:
        if owner is not None and job.record.state not in ENDED:
            await api.jobs.cancel(VENDOR, owner, job.record.id)


def _log(line: str) -> bytes:
    return event_stream.event({"source": "stdout", "data": f"{line}\n"}, "log")


async def _data(api: Api, name: str) -> str:
    """A finished picture as a data URL."""
    found = await asyncio.to_thread(api.store.file, name)
    return data_uri(await asyncio.to_thread(found.path.read_bytes), found.media_type)


def _running(api: Api, caller: Caller, name: str) -> Job | None:
    """The client's prediction of this id while it runs."""
    job = api.jobs.live(VENDOR, caller, _job_name(caller, name))
    return job if job is not None and job.record.state not in ENDED else None


def _job_name(caller: Caller, name: str) -> str:
    """Ids are the clients' own, so that two may choose the same."""
    text = f"{owner_of(caller)}\n{name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _faults(error: InvalidRequest) -> list[dict[str, Any]]:
    """What is wrong with which fields, as pydantic says it and Cog after it."""
    first = {
        "loc": ["body", *(error.field.split(".") if error.field else ())],
        "msg": error.message,
        "type": "value_error",
    }
    faults = error.faults[1:] if isinstance(error, InvalidFields) else ()
    return [
        first,
        *(
            {"loc": ["body", *fault["loc"]], "msg": fault["msg"], "type": "value_error"}
            for fault in faults
        ),
    ]
