"""Replicate's HTTP API (replicate.com/docs/reference/http) for bytedance/sdxl-lightning-4step.

Its clients work unchanged with `REPLICATE_BASE_URL`. A prediction is a job; warnings about what was
changed are the first lines of its logs.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import re
from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from itertools import takewhile
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import InvalidRequest, LightningError
from ..http_json import EchoResponse
from . import event_stream
from .access import NotAllowed
from .files import url_of
from .job import ENDED, Job, Record, State, iso_time, owner_of
from .prediction import PredictionQuestion, order_of
from .reading import InvalidFields, read_question
from .replicate_model import (
    MODEL,
    VERSIONS,
    check_model,
    described_model,
    described_version,
    parse_version,
)
from .service import Api, answers, bound, headers_of
from .store import NotFound, new_id

VENDOR = "replicate"
PAGE = 100  # predictions of one list
MAX_WAIT = 60  # seconds that a request may wait for its prediction

STATUSES: Mapping[State, str] = {
    "queued": "starting",
    "running": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "canceled",
}


class ReplicateQuestion(PredictionQuestion):
    """The body that creates a prediction."""

    version: str | None = None
    stream: bool | None = None  # every prediction can be streamed
    webhook_completed: str | None = None  # the older way to be told of the end only


def routes(api: Api) -> list[BaseRoute]:
    """The routes of Replicate's API."""
    model = "/v1/models/{owner}/{name}"
    return [
        Route("/v1/predictions", bound(create, api), methods=["POST"]),
        Route("/v1/predictions", bound(predictions, api)),
        Route("/v1/predictions/{id}", bound(get, api)),
        Route("/v1/predictions/{id}/cancel", bound(cancel, api), methods=["POST"]),
        Route("/v1/predictions/{id}/stream/{key}", bound(stream, api)),
        Route(model, bound(get_model, api)),
        Route(f"{model}/predictions", bound(create, api), methods=["POST"]),
        Route(f"{model}/versions", bound(versions, api)),
        Route(f"{model}/versions/{{version}}", bound(get_version, api)),
        Route("/v1/account", bound(account, api)),
        Route("/v1/webhooks/default/secret", bound(webhook_secret, api)),
    ]


def as_replicate(error: LightningError) -> Response:
    """An error as Replicate answers it; an unknown key is 401 there."""
    status = HTTPStatus.UNAUTHORIZED if isinstance(error, NotAllowed) else error.status
    titles = {401: "Unauthenticated", 404: "Not found", 422: "Input validation failed"}
    content = {
        "type": "about:blank",
        "title": titles.get(status, "The request could not be answered"),
        "status": int(status),
        "detail": error.message,
        "instance": None,
    }
    if error.field and status == HTTPStatus.UNPROCESSABLE_ENTITY:
        invalid = _invalid_fields(error)
        told = "".join(f"- {each['description']}\n" for each in invalid)
        content |= {"detail": told, "invalid_fields": invalid}
    return JSONResponse(content, int(status), headers_of(error), "application/problem+json")


def _invalid_fields(error: LightningError) -> list[dict[str, Any]]:
    """Each field at fault, and what it may be."""
    first = {"type": "invalid", "field": error.field, "description": error.message}
    faults = error.faults if isinstance(error, InvalidFields) else ()
    named = [(".".join(map(str, each["loc"])) or "the body", each) for each in faults]
    return [
        {"type": each["type"], "field": name, "description": f"{name}: {each['msg']}"}
        for name, each in named
    ] or [first]


@answers(as_replicate)
async def create(api: Api, http: Request) -> Response:
    """Starts a prediction, and waits for it where the client prefers that."""
    caller = api.admit(http)
    question = await read_question(http, ReplicateQuestion, strict=True)
    if "owner" in http.path_params:
        _check_model(http)
        version = VERSIONS[0]
    elif question.version:
        version = parse_version(question.version)
    else:
        raise InvalidRequest("version: is required.", field="version")
    order = order_of(api, question, caller)
    address, events = question.webhook, question.webhook_events_filter
    if address is None and question.webhook_completed:
        address, events = question.webhook_completed, ["completed"]
    webhook = api.webhooks.parse(address, events) if address else None
    about = {"version": version, "key": new_id()}
    job = await api.jobs.start(VENDOR, caller, order, question.input or {}, about)
    if webhook is not None:

        async def content() -> Mapping[str, Any]:
            return described(http, job.record)

        api.webhooks.follow(webhook, job, content)
    seconds = wait_seconds(http.headers.get("prefer", ""))
    if seconds and job.task is not None:
        await asyncio.wait([job.task], timeout=seconds)
    if job.record.state in ENDED:
        return EchoResponse(described(http, job.record), HTTPStatus.CREATED)
    # Of any other status the clients think that the output is there.
    starting = {**described(http, job.record), "status": "starting"}
    return EchoResponse(starting, HTTPStatus.ACCEPTED if seconds else HTTPStatus.CREATED)


@answers(as_replicate)
async def get(api: Api, http: Request) -> Response:
    """A prediction as it is."""
    record = await api.jobs.record(VENDOR, api.caller(http), http.path_params["id"])
    return EchoResponse(described(http, record), headers={"Cache-Control": "no-store"})


@answers(as_replicate)
async def cancel(api: Api, http: Request) -> Response:
    """Stops a prediction; one that has ended stays as it is."""
    record = await api.jobs.cancel(VENDOR, api.caller(http), http.path_params["id"])
    return EchoResponse(described(http, record))


@answers(as_replicate)
async def predictions(api: Api, http: Request) -> Response:
    """The newest predictions of a client, or those before a cursor."""
    caller = api.caller(http)
    before = _parse_cursor(http.query_params.get("cursor"))
    records = await api.jobs.list(VENDOR, caller, before, PAGE + 1)
    page = records[:PAGE]
    following = None
    if len(records) > PAGE:
        following = f"{_base(http)}/v1/predictions?cursor={page[-1].created!r}"
    results = [described(http, record) for record in page]
    return EchoResponse({"previous": None, "next": following, "results": results})


@answers(as_replicate)
async def stream(api: Api, http: Request) -> Response:
    """A prediction's events. The address is its own key: the JavaScript client sends none."""
    job = await api.jobs.job(VENDOR, http.path_params["id"])
    key = str(job.record.about["key"])
    if not hmac.compare_digest(key.encode(), http.path_params["key"].encode()):
        raise NotFound("There is no such stream.")
    last = http.headers.get("last-event-id", "")
    after = int(last) if re.fullmatch(r"\d{1,9}", last, re.ASCII) else None
    return event_stream.stream(_events(http, job, after))


@answers(as_replicate)
async def get_model(api: Api, http: Request) -> Response:
    """The model."""
    api.caller(http)
    _check_model(http)
    return JSONResponse(described_model(f"{_base(http)}/"))


@answers(as_replicate)
async def versions(api: Api, http: Request) -> Response:
    """All versions: they paint the same here."""
    api.caller(http)
    _check_model(http)
    found = [described_version(version) for version in VERSIONS]
    return JSONResponse({"previous": None, "next": None, "results": found})


@answers(as_replicate)
async def get_version(api: Api, http: Request) -> Response:
    """A version with its OpenAPI document."""
    api.caller(http)
    _check_model(http)
    return JSONResponse(described_version(http.path_params["version"]))


@answers(as_replicate)
async def account(api: Api, http: Request) -> Response:
    """Who asks."""
    name = api.caller(http).name
    content = {"type": "user", "username": name, "name": name, "github_url": None}
    return JSONResponse(content)


@answers(as_replicate)
async def webhook_secret(api: Api, http: Request) -> Response:
    """The key that the client's webhooks are signed with."""
    secret = api.webhooks.secret(owner_of(api.caller(http)))
    return JSONResponse({"key": secret}, headers={"Cache-Control": "no-store"})


def described(http: Request, record: Record) -> dict[str, Any]:
    """A prediction; its output grows from the first picture on."""
    finished = takewhile(lambda picture: picture is not None, record.pictures)
    output = [url_of(http, picture.name) for picture in finished if picture]
    address = f"{_base(http)}/v1/predictions/{record.id}"
    return {
        "id": record.id,
        "model": MODEL,
        "version": record.about["version"],
        "status": STATUSES[record.state],
        "input": record.input,
        "output": output or None,
        "logs": "".join(f"{line}\n" for line in record.logs),
        "error": record.error or None,
        "metrics": {"predict_time": record.seconds} if record.state in ENDED else {},
        "data_removed": False,
        "source": "api",
        "created_at": iso_time(record.created),
        "started_at": iso_time(record.started),
        "completed_at": iso_time(record.ended),
        "urls": {
            "get": address,
            "cancel": f"{address}/cancel",
            "stream": f"{address}/stream/{record.about['key']}",
        },
    }


def wait_seconds(prefer: str) -> int | None:
    """How long a Prefer header wants to wait, 1 … 60 s; None: not at all."""
    found = re.search(r"(?:^|[\s,;])wait(?:=(\d{1,6}))?(?:$|[\s,;])", prefer, re.ASCII)
    return min(max(int(found[1] or MAX_WAIT), 1), MAX_WAIT) if found else None


async def _events(http: Request, job: Job, after: int | None) -> AsyncGenerator[bytes, None]:
    """`logs` and `output` as they come, `error`, `done`; each may be followed from its id on."""
    if after is None and job.logs:
        yield event_stream.event("\n".join(job.logs), "logs", 0)
    number = after or 0
    record = job.record
    async for count, event in job.events(number):
        number = count
        if event.picture is not None:
            yield event_stream.event(url_of(http, event.picture.name), "output", number)
        if event.logs:
            yield event_stream.event("\n".join(event.logs), "logs", number)
        if event.kind == "ended" and record.state == "failed":
            yield event_stream.event({"detail": record.error}, "error", number)
    reasons: dict[State, str] = {"failed": "error", "cancelled": "canceled"}
    reason = reasons.get(record.state)
    yield event_stream.event({"reason": reason} if reason else {}, "done", number + 1)


def _check_model(http: Request) -> None:
    check_model(f"{http.path_params['owner']}/{http.path_params['name']}")


def _parse_cursor(cursor: str | None) -> float | None:
    if cursor is None:
        return None
    try:
        before = float(cursor)
    except ValueError:
        before = math.nan
    if not math.isfinite(before):
        raise InvalidRequest("cursor: take it from `next` of another page.", field="cursor")
    return before


def _base(http: Request) -> str:
    return str(http.base_url).rstrip("/")
