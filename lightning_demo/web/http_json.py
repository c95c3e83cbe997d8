"""JSON over HTTP for every API: bodies read within bounds, errors in the form of RFC 7807."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from http import HTTPStatus
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ..errors import InvalidRequest, LightningError, RateLimited, report_incident
from ..schemas import Frame
from .messages import load_json

log = logging.getLogger(__name__)

OWN_TITLES = {499: "Client Closed Request"}  # nginx's, which no standard names
RETRY_SECONDS = 2.0
BODY_SECONDS = 10.0  # a body of one message that takes longer is not meant to arrive

Shape = Callable[[LightningError], Response]  # an error as it is answered at an address


class UnsupportedMediaType(LightningError):
    """A body that is not declared as JSON."""

    status = 415


class IncompleteBody(LightningError):
    """A body that did not arrive in full, or not in time."""

    status = 408


class EchoResponse(JSONResponse):
    """JSON that repeats what a client has sent, in ASCII: half a character is no UTF-8."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


async def read_json(request: Request) -> Mapping[str, Any]:
    """The untrusted JSON fields of a request's body.

    Raises:
        LightningError: it is not a JSON object, or does not arrive.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("Send application/json.")
    body = await read_body(request)
    try:
        content = load_json(body)
    except ValueError:
        raise InvalidRequest("The request must be JSON.") from None
    if not isinstance(content, dict):
        raise InvalidRequest("The request must be a JSON object with named fields.")
    return content


async def read_body(request: Request, seconds: float | None = None) -> bytes:
    """A request's body, whatever it is.

    Args:
        seconds: how long it may take to arrive; else as long as one message may.

    Raises:
        LightningError: it does not arrive, or is too large.
    """
    try:
        with anyio.fail_after(seconds or BODY_SECONDS):
            return await request.body()
    except (TimeoutError, ClientDisconnect):
        raise IncompleteBody("The request took too long to arrive.") from None


def problem(
    status: int, detail: str, field: str | None = None, *, retry_seconds: float = RETRY_SECONDS
) -> Response:
    """An answer that says what is wrong and, where there is one, with which field.

    What may go well later (429, 503) says when to try again.
    """
    content = {
        "type": "about:blank",
        "title": OWN_TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "field": field,
    }
    headers = error_headers(status, retry_seconds)
    return Response(json.dumps(content), status, headers, media_type="application/problem+json")


def problem_of(error: LightningError) -> Response:
    """The answer for an error that is meant for people."""
    seconds = retry_seconds_of(error)
    return problem(error.status, error.message, error.field, retry_seconds=seconds)


def error_headers(status: int, retry_seconds: float = RETRY_SECONDS) -> dict[str, str]:
    """The headers of an error's answer, whatever its body looks like."""
    headers = {"Cache-Control": "no-store"}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(math.ceil(retry_seconds))
    return headers


def retry_seconds_of(error: LightningError) -> float:
    """When what has failed may go well."""
    return error.seconds if isinstance(error, RateLimited) else RETRY_SECONDS


Endpoint = Callable[[Any, Request], Awaitable[Response]]


def answers_problems(endpoint: Endpoint) -> Endpoint:
    """A route's method whose errors are answered as problems; a fault's words stay in the log."""

    @wraps(endpoint)
    async def answer(self: Any, request: Request) -> Response:
        try:
            return await endpoint(self, request)
        except Exception as error:
            return problem_of(report_incident(error, "The request could not be answered", log))

    return answer


def stages(frames: Sequence[Frame]) -> str:
    """The engine's milliseconds by stage, of the picture that took longest (W3C, Server Timing)."""
    longest = max((frame.timings for frame in frames), key=lambda timings: timings.get("total", 0))
    return ", ".join(f"{stage};dur={ms:.2f}" for stage, ms in longest.items())
