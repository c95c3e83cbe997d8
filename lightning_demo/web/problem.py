"""Errors as HTTP answers: JSON in the form of RFC 7807, words for people."""

from __future__ import annotations

import json
import math
from http import HTTPStatus

from starlette.responses import Response

from ..errors import LightningError, RateLimited

RETRY_SECONDS = 2.0


def problem(
    status: int, detail: str, field: str | None = None, *, retry_seconds: float = RETRY_SECONDS
) -> Response:
    """An answer that says what is wrong and, where there is one, with which field.

    What may go well later (429, 503) says when to try again.
    """
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "field": field,
    }
    headers = {"Cache-Control": "no-store"}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(math.ceil(retry_seconds))
    return Response(json.dumps(content), status, headers, media_type="application/problem+json")


def problem_of(error: LightningError) -> Response:
    """The answer for an error that is meant for people."""
    seconds = error.seconds if isinstance(error, RateLimited) else RETRY_SECONDS
    return problem(error.status, error.message, error.field, retry_seconds=seconds)
