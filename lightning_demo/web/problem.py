"""Errors as HTTP answers: JSON in the form of RFC 7807, words for people."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

from ..errors import LightningError

RETRY_SECONDS = "2"


def problem(status: int, detail: str, field: str | None = None) -> Response:
    """An answer that says what is wrong and, where there is one, with which field."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "field": field,
    }
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_SECONDS
    return Response(json.dumps(content), status, headers, media_type="application/problem+json")


def problem_of(error: LightningError) -> Response:
    """The answer for an error that is meant for people."""
    return problem(error.status, error.message, error.field)
