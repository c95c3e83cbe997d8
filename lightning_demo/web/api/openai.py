"""OpenAI's images API: `POST /v1/images/generations` and `GET /v1/models/{id}`.

Also as SGLang, vLLM-Omni, Together and nscale extend it: `seed`, steps, guidance, negative prompt,
width and height. Fields and answers are those of platform.openai.com/docs/api-reference/images and
of the official `openai` package, which in its strict mode takes none but the listed values.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import InvalidRequest, LightningError, report_incident
from ...schemas import MAX_PROMPT_CHARACTERS, Frame
from ..callers import Caller
from . import event_stream
from .access import KEY_FAULTS, UnknownKey
from .aspect import of_sides, parse_resolution
from .files import as_text, encoded, keep, url_of
from .native import described_model
from .native_question import GUIDANCE, Guidance, Side, Steps
from .order import NO_LOSS, Asked, Format, Order, Output, no_effect
from .reading import Question, read_question
from .service import Api, answers, as_json, bound, log
from .store import NotFound

MAX_IMAGES = 10
ANSWERS_BASE64 = ("gpt-image", "chatgpt-image")  # models that have never answered with an address
LISTED_SIZES = ("1024x1024", "1024x1536", "1536x1024")  # that every strict client takes
FEWER, MORE = 2, 8  # steps, where nothing but a quality is asked for
STEPS_OF_QUALITY = {"low": FEWER, "high": MORE, "xhigh": MORE, "max": MORE, "hd": MORE}
ONLY_TEXT = "The model here makes pictures from text only; use /v1/images/generations."

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
STEPS = ("num_inference_steps", "steps", "step")  # as different servers call them


class GenerationQuestion(Question):
    """What `POST /v1/images/generations` takes. Absent or null is the default."""

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]
    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MAX_IMAGES)] | None = None
    size: Annotated[
        Annotated[str, Field(pattern=r"^(auto|[1-9]\d{0,3}x[1-9]\d{0,3})$", examples=["1024x1024"])]
        | None,
        Field(description="The nearest size is painted; auto: the model's own."),
    ] = None
    quality: Annotated[
        Quality | None, Field(description="low: 2 steps; high and above: 8; else the default.")
    ] = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    style: str | None = None
    moderation: str | None = None
    user: str | None = None
    output_format: Annotated[Format | None, Field(description="png where absent.")] = None
    output_compression: Annotated[
        Annotated[int, Field(ge=0, le=100)] | None, Field(description="Of JPEG and WebP; 90.")
    ] = None
    response_format: Annotated[
        Literal["url", "b64_json", "base64"] | None,
        Field(description="Absent: b64_json for gpt-image models, else url."),
    ] = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    # Not OpenAI's own:
    negative_prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)] | None = None
    num_inference_steps: Steps | None = None
    steps: Steps | None = None
    step: Steps | None = None
    guidance_scale: Guidance | None = None
    guidance: Guidance | None = None
    seed: int | None = None
    width: Side | None = None
    height: Side | None = None

    def asked(self, served: str) -> Asked:
        """
        Args:
            served: the model that is here.

        Raises:
            InvalidRequest: two fields say different things.
        """
        steps_name, given = self.first(*STEPS)
        guidance_name, guidance = self.first(*GUIDANCE)
        size_name, _ = self.first("width", "height", "size")
        steps = given or STEPS_OF_QUALITY.get(self.quality or "")
        format = self.output_format or "png"
        quality = 90 if self.output_compression is None else max(1, self.output_compression)
        return Asked(
            self.prompt,
            self.negative_prompt,
            steps,
            guidance,
            self.seed,
            self._size(),
            count=self.n or 1,
            output=Output(format, quality),
            names={
                "num_inference_steps": steps_name,
                "guidance_scale": guidance_name,
                "size": size_name,
            },
            warnings=self._ignored(served, format),
        )

    @property
    def as_base64(self) -> bool:
        """Whether pictures travel in the answer itself."""
        if self.response_format is None:
            return (self.model or "").startswith(ANSWERS_BASE64)
        return self.response_format != "url"

    def _size(self) -> tuple[int, int] | None:
        """Width and height in pixels, however they were given."""
        if self.width is None and self.height is None:
            return None if self.size in (None, "auto") else parse_resolution(self.size, "size")
        if self.size not in (None, "auto"):
            raise InvalidRequest("size: give it or width and height, not both.", field="size")
        return of_sides(self.width, self.height)

    def _ignored(self, served: str, format: Format) -> list[str]:
        """What changes nothing here, and why."""
        given = {
            "model": None if self.model == served else self.model,
            "background": self.background if self.background == "transparent" else None,
            "style": self.style,
            "moderation": None if self.moderation == "auto" else self.moderation,
            "user": self.user,
            "output_compression": self.output_compression if format == "png" else None,
            "partial_images": None if self.stream else self.partial_images or None,
            **self.beside(*STEPS),
            **self.beside(*GUIDANCE),
            **self.unknown,
        }
        reasons = {
            "model": f"this server has one model, {served}",
            "background": "pictures are opaque",
            "style": "has no effect; say it in the prompt",
            "moderation": "has no effect; nothing is moderated here",
            "user": "is not kept",
            "output_compression": NO_LOSS,
            **dict.fromkeys(STEPS[1:], "has no effect beside another number of steps"),
            **dict.fromkeys(GUIDANCE[1:], "has no effect beside guidance_scale"),
            "partial_images": "has no effect without stream",
            "scheduler": "the sampler is Euler with trailing timesteps, which the model needs",
        }
        return no_effect(given, reasons)


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
