"""Hugging Face's inference API: `POST /hf` answers with the bytes of a picture.

As its own `InferenceClient(base_url=…)` calls it, which posts to exactly that address, and
as the old inference API had it, `/hf/models/{model}`. The parameters are those of the task
text-to-image (huggingface.co/docs/inference-providers/tasks/text-to-image).
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import EngineUnavailable, LightningError
from ...schemas import MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARACTERS
from .access import KEY_FAULTS
from .aspect import of_sides
from .files import encoded
from .native import accepted
from .order import MAX_SIDE, MAX_STEPS, Asked, Format, Output, no_effect
from .reading import Question, read_question
from .service import Api, answers, as_json, bound

NAMES = {
    "prompt": "inputs",
    "size": "parameters.width",
    **{
        name: f"parameters.{name}"
        for name in ("negative_prompt", "num_inference_steps", "guidance_scale", "seed")
    },
}

Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]


class Parameters(Question):
    """The parameters of text-to-image. Absent or null is the default."""

    negative_prompt: Text | list[Text] | None = None
    height: Side | None = None
    width: Side | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=MAX_GUIDANCE_SCALE)] | None = None
    scheduler: str | None = None
    seed: int | None = None


class TextToImageQuestion(Question):
    """What `POST /hf` takes."""

    inputs: Annotated[Text, Field(min_length=1)]
    parameters: Parameters | None = None

    def asked(self, format: Format, model: str | None, served: str) -> Asked:
        """
        Args:
            format: of the picture, as the Accept header asks for it.
            model: that the address names.
            served: that is here.
        """
        given = self.parameters or Parameters()
        negative = given.negative_prompt
        ignored = {
            "model": None if model == served else model,
            "parameters.scheduler": given.scheduler,
            **{f"parameters.{name}": value for name, value in given.unknown.items()},
            **self.unknown,
        }
        reasons = {
            "model": f"this server has one model, {served}",
            "parameters.scheduler": "the sampler is Euler with trailing timesteps, "
            "which the model needs",
        }
        return Asked(
            self.inputs,
            ", ".join(negative) if isinstance(negative, list) else negative,
            given.num_inference_steps,
            given.guidance_scale,
            given.seed,
            of_sides(given.width, given.height),
            output=Output(format),
            names=NAMES,
            warnings=no_effect(ignored, reasons),
        )


def routes(api: Api) -> list[BaseRoute]:
    """The routes of Hugging Face's API."""
    return [
        *(Route(path, bound(text_to_image, api), methods=["POST"]) for path in ("/hf", "/hf/")),
        Route("/hf/models/{model:path}", bound(text_to_image, api), methods=["POST"]),
        Route("/hf/health", bound(health, api)),
    ]


def as_hugging_face(error: LightningError) -> Response:
    """An error as text-generation-inference and the Hub answer it."""
    status = 401 if isinstance(error, KEY_FAULTS) else error.status
    kind = "validation" if error.field else "overloaded" if status in (429, 503) else "generation"
    return as_json(error, status, {"error": error.message, "error_type": kind})


@answers(as_hugging_face)
async def text_to_image(api: Api, http: Request) -> Response:
    """Paints what is asked for."""
    caller = api.admit(http)
    question = await read_question(http, TextToImageQuestion)
    wanted = accepted(http.headers.get("accept", ""))
    format: Format = wanted if wanted in ("jpeg", "png", "webp") else "jpeg"
    served = api.service.engine.status().model
    order = api.place(question.asked(format, http.path_params.get("model"), served), caller)
    (frame,) = await api.paint(http, order, caller)
    response = Response(
        await encoded(frame, order.output),
        headers={
            "Cache-Control": "no-store",
            "X-Seed": str(order.seed),
            "X-Warnings": json.dumps(order.told([frame])),
        },
        media_type=order.output.media_type,
    )
    for warning in order.told([frame]):
        response.headers.append("X-HF-Warning", _as_header(warning))
    return response


@answers(as_hugging_face)
async def health(api: Api, http: Request) -> Response:
    """200 where pictures can be asked for, else 503."""
    status: Any = api.service.status()
    if status["state"] != "ready" or status["draining"]:
        raise EngineUnavailable(status["detail"] or "The model is not ready; try again later.")
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


def _as_header(warning: str) -> str:
    """A warning as the client logs it, which shows the first one of each topic only.

    It may hold the name of a field that a client has made up, line breaks and all.
    """
    topic, _, _ = warning.partition(":")
    text = f"{topic.replace(';', ',')}; {warning}"
    return "".join(each if " " <= each <= "~" else "?" for each in text)
