"""OpenAI's images API: `POST /v1/images/generations` and `GET /v1/models/{id}`.

Fields and answers are those of platform.openai.com/docs/api-reference/images and of the official
`openai` package, which in its strict mode takes none but the listed values.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import InvalidRequest, LightningError, report_incident
from ...schemas import Frame
from ..callers import Caller
from . import event_stream
from .access import KEY_FAULTS, UnknownKey
from .files import as_text, encoded, keep, url_of
from .native import described_model
from .openai_question import GenerationQuestion
from .order import Order
from .reading import read_question
from .service import Api, answers, as_json, bound, log
from .store import NotFound

LISTED_SIZES = ("1024x1024", "1024x1536", "1536x1024")  # that every strict client takes
ONLY_TEXT = "The model here makes pictures from text only; use /v1/images/generations."


def routes(api: Api) -> list[BaseRoute]:
    """The routes of OpenAI's API."""
    return [
        Route("/v1/images/generations", bound(generations, api), methods=["POST"]),
        Route("/v1/images/edits", bound(only_text, api), methods=["POST"]),
        Route("/v1/images/variations", bound(only_text, api), methods=["POST"]),
        Route("/v1/models/{model}", bound(model, api)),
    ]


def as_openai(error: LightningError) -> Response:
    """An error as OpenAI's API answers it; what is wrong with a field has the status 400 there."""
    key = isinstance(error, KEY_FAULTS)
    status = 401 if key else 400 if error.status == 422 else error.status
    response = as_json(error, status, _error(error))
    if key:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@answers(as_openai)
async def generations(api: Api, http: Request) -> Response:
    """Paints what is asked for."""
    caller = api.admit(http)
    question = await read_question(http, GenerationQuestion)
    order = api.place(question.asked(api.service.engine.status().model), caller)
    if question.stream:
        return event_stream.stream(_events(api, question, order, caller))
    frames = await api.paint(http, order, caller)
    shown = [await _picture(api, http, question, order, frame) for frame in frames]
    content = {
        "created": int(time.time()),
        "model": frames[0].model,
        "data": [{"index": place, **picture} for place, picture in enumerate(shown)],
        "background": "opaque",
        "output_format": order.output.format,
        "usage": NOTHING_BILLED,
        "warnings": order.told(frames),
    }
    if (size := _listed_size(frames[0])) != "auto":
        content["size"] = size
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


@answers(as_openai)
async def only_text(api: Api, http: Request) -> Response:
    """Refuses pictures that are to be changed."""
    api.caller(http)
    raise InvalidRequest(ONLY_TEXT, field="image")


@answers(as_openai)
async def model(api: Api, http: Request) -> Response:
    """The model that is served, by its name."""
    api.caller(http)
    described = described_model(api.service.engine.status())
    name = http.path_params["model"]
    if name != described["id"]:
        raise NotFound(
            f"The model {name[:100]!r} does not exist here; there is {described['id']!r}.",
            field="model",
        )
    return JSONResponse(described)


# Tokens, which hosts bill: there are none here.
NOTHING_BILLED = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}


async def _picture(
    api: Api, http: Request, question: GenerationQuestion, order: Order, frame: Frame
) -> dict[str, Any]:
    width, height = frame.size
    about = {"seed": frame.request.seed, "width": width, "height": height}
    if question.as_base64:
        return {"b64_json": as_text(await encoded(frame, order.output)), **about}
    picture = await keep(api.store, frame, order)
    return {"url": url_of(http, picture.name), **about}


async def _events(
    api: Api, question: GenerationQuestion, order: Order, caller: Caller
) -> AsyncGenerator[bytes, None]:
    """`image_generation.partial_image` for the first previews, and `….completed` for each picture.

    Events have no place for a picture's number: only the first one's previews are sent.
    """
    sent = 0
    try:
        async with aclosing(api.frames(order, caller)) as frames:
            async for place, frame in frames:
                if frame.final:
                    data = as_text(await encoded(frame, order.output))
                    content = {
                        **_about(frame, order.output.format),
                        "b64_json": data,
                        "usage": NOTHING_BILLED,
                        "seed": frame.request.seed,
                        "model": frame.model,
                        "warnings": order.told([frame]),
                    }
                    yield _event("image_generation.completed", content)
                elif place == 0 and sent < (question.partial_images or 0):
                    content = {
                        **_about(frame, frame.media_type.removeprefix("image/")),
                        "b64_json": as_text(frame.data),
                        "partial_image_index": sent,
                    }
                    sent += 1
                    yield _event("image_generation.partial_image", content)
    except Exception as error:
        told = report_incident(error, "The picture could not be painted", log)
        yield event_stream.event(_error(told), "error")


def _event(kind: str, content: dict[str, Any]) -> bytes:
    return event_stream.event({"type": kind, **content}, kind)


def _about(frame: Frame, format: str) -> dict[str, Any]:
    """What both events say; `format` is that of the picture which comes with it."""
    return {
        "created_at": int(time.time()),
        "size": _listed_size(frame),
        "quality": "auto",
        "background": "opaque",
        "output_format": format,
    }


def _listed_size(frame: Frame) -> str:
    """The size, where strict clients take it."""
    width, height = frame.size
    size = f"{width}x{height}"
    return size if size in LISTED_SIZES else "auto"


def _error(error: LightningError) -> dict[str, Any]:
    types = {429: "rate_limit_error", 403: "permission_error", 401: "authentication_error"}
    kind = types.get(error.status, "invalid_request_error")
    codes = {429: "rate_limit_exceeded", 404: "not_found"}
    code = "invalid_api_key" if isinstance(error, UnknownKey) else codes.get(error.status)
    if error.status >= 500:
        kind = "server_error"
    return {"error": {"message": error.message, "type": kind, "param": error.field, "code": code}}
