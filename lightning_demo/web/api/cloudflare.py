"""Cloudflare's Workers AI: the run route of its SDXL-Lightning answers with a JPEG.

Fields and limits: developers.cloudflare.com/workers-ai/models/stable-diffusion-xl-lightning. Its
defaults of 20 steps and guidance 7.5 are those of another model: absent they are 4 and 0 here.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...errors import InvalidRequest, LightningError
from ...schemas import MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARACTERS
from .access import KEY_FAULTS
from .aspect import of_sides
from .files import encoded
from .order import Asked, Output, no_effect
from .reading import Question, read_question
from .service import Api, answers, as_json, bound
from .store import NotFound

MODEL = "@cf/bytedance/stable-diffusion-xl-lightning"
NAMES = {"num_inference_steps": "num_steps", "guidance_scale": "guidance", "size": "width"}
FROM_PICTURES = ("image", "image_b64", "mask")

# developers.cloudflare.com/workers-ai/platform/errors, by HTTP status.
INVALID, NO_SUCH_MODEL, NOT_AUTHENTIC, FAULT = 5006, 5007, 10000, 3043
CODES = {408: 3007, 413: 3006, 415: 3003, 429: 3036, 503: 3040}

Side = Annotated[int, Field(ge=256, le=2048)]


class RunQuestion(Question):
    """What the run route takes. Absent or null is the default."""

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]
    negative_prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)] | None = None
    height: Side | None = None
    width: Side | None = None
    num_steps: Annotated[int, Field(ge=1, le=20)] | None = None
    guidance: Annotated[float, Field(ge=0, le=MAX_GUIDANCE_SCALE)] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None
    image: Any = None
    image_b64: Any = None
    mask: Any = None

    def asked(self) -> Asked:
        """
        Raises:
            InvalidRequest: a picture is to be changed.
        """
        for name in FROM_PICTURES:
            if getattr(self, name):
                raise InvalidRequest(
                    f"{name}: this server makes pictures from text only.", field=name
                )
        ignored = {"strength": self.strength, **self.unknown}
        return Asked(
            self.prompt,
            self.negative_prompt,
            self.num_steps,
            self.guidance,
            self.seed,
            of_sides(self.width, self.height),
            output=Output("jpeg"),
            names=NAMES,
            warnings=no_effect(ignored, {"strength": "has no effect without a picture"}),
        )


def routes(api: Api) -> list[BaseRoute]:
    """The route of Cloudflare's API."""
    path = "/client/v4/accounts/{account}/ai/run/{model:path}"
    return [Route(path, bound(run, api), methods=["POST"])]


def as_cloudflare(error: LightningError) -> Response:
    """An error in the envelope of Cloudflare's API; what is wrong with a field is a 400 there."""
    status, code = error.status, CODES.get(error.status, FAULT)
    if isinstance(error, KEY_FAULTS):
        status, code = 401, NOT_AUTHENTIC
    elif isinstance(error, NotFound):
        status, code = 400, NO_SUCH_MODEL
    elif status == 403:
        code = NOT_AUTHENTIC
    elif status == 422:
        status, code = 400, INVALID
    content = {
        "result": None,
        "success": False,
        "errors": [{"code": code, "message": error.message}],
        "messages": [],
    }
    return as_json(error, status, content)


@answers(as_cloudflare)
async def run(api: Api, http: Request) -> Response:
    """Paints what is asked for, for any account."""
    caller = api.admit(http)
    model = http.path_params["model"]
    if model != MODEL:
        raise NotFound(f"No such model {model[:100]} or task; there is {MODEL}.", field="model")
    question = await read_question(http, RunQuestion)
    order = api.place(question.asked(), caller)
    (frame,) = await api.paint(http, order, caller)
    headers = {
        "Cache-Control": "no-store",
        "X-Seed": str(order.seed),
        "X-Warnings": json.dumps(order.told([frame])),
    }
    data = await encoded(frame, order.output)
    return Response(data, headers=headers, media_type=order.output.media_type)
