"""Synexa's API: `POST /synexa/v1/predictions` and `GET /synexa/v1/predictions/{id}`.

It serves Replicate's model of the same inputs; what its predictions look like is read from its
package `synexa`, which asks for them until they have succeeded or failed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...errors import LightningError
from ...schemas import MAX_PROMPT_CHARACTERS
from ..http_json import EchoResponse
from .access import KEY_FAULTS
from .aspect import of_sides
from .files import url_of
from .job import Record, iso_time
from .order import MAX_SIDE, NO_LOSS, Asked, Output, no_effect
from .reading import Question, read_question
from .service import Api, answers, as_json, bound

VENDOR = "synexa"
STATES = {"queued": "starting", "running": "processing", "cancelled": "canceled"}
OURS = ("num_inference_steps", "guidance_scale", "negative_prompt", "prompt", "seed")
NAMES = {
    "size": "input.width",
    "count": "input.num_outputs",
    **{name: f"input.{name}" for name in OURS},
}

Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]


class Inputs(Question):
    """The inputs of Replicate's bytedance/sdxl-lightning-4step. Absent or null is the default."""

    prompt: Annotated[Text, Field(min_length=1)]
    negative_prompt: Text | None = None
    width: Side | None = None
    height: Side | None = None
    num_outputs: Annotated[int, Field(ge=1, le=4)] | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=10)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=50)] | None = None
    seed: int | None = None
    output_format: Literal["png", "jpg", "jpeg", "webp"] | None = None
    output_quality: Annotated[int, Field(ge=1, le=100)] | None = None
    scheduler: str | None = None
    disable_safety_checker: bool | None = None


class PredictionQuestion(Question):
    """What a new prediction takes."""

    model: str
    input: Inputs

    def asked(self, served: str) -> Asked:
        """
        Args:
            served: the model that is here.
        """
        given = self.input
        format = "jpeg" if given.output_format == "jpg" else given.output_format or "png"
        ignored = {
            "model": None if served in self.model or "lightning" in self.model else self.model,
            "input.scheduler": None if given.scheduler == "K_EULER" else given.scheduler,
            "input.output_quality": given.output_quality if format == "png" else None,
            "input.disable_safety_checker": given.disable_safety_checker or None,
            **{f"input.{name}": value for name, value in given.unknown.items()},
            **self.unknown,
        }
        reasons = {
            "model": f"this server has one model, {served}",
            "input.scheduler": "the sampler is Euler with trailing timesteps, "
            "which the model needs",
            "input.output_quality": NO_LOSS,
            "input.disable_safety_checker": "whoever runs this server decides what is checked",
        }
        return Asked(
            given.prompt,
            given.negative_prompt,
            given.num_inference_steps,
            given.guidance_scale,
            given.seed,
            of_sides(given.width, given.height),
            count=given.num_outputs or 1,
            output=Output(format, given.output_quality or 90),
            names=NAMES,
            warnings=no_effect(ignored, reasons),
        )


def routes(api: Api) -> list[BaseRoute]:
    """The routes of Synexa's API."""
    return [
        Route("/synexa/v1/predictions", bound(create, api), methods=["POST"]),
        Route("/synexa/v1/predictions/{id}", bound(get, api)),
    ]


def as_synexa(error: LightningError) -> Response:
    """An error; its client reads the status only."""
    status = 401 if isinstance(error, KEY_FAULTS) else error.status
    return as_json(error, status, {"detail": error.message, "status": status})


@answers(as_synexa)
async def create(api: Api, http: Request) -> Response:
    """Begins a prediction."""
    caller = api.admit(http)
    question = await read_question(http, PredictionQuestion)
    order = api.place(question.asked(api.service.engine.status().model), caller)
    given = question.input.model_dump(exclude_unset=True)
    job = await api.jobs.start(VENDOR, caller, order, given, {"model": question.model})
    return EchoResponse(_prediction(http, job.record), 201)


@answers(as_synexa)
async def get(api: Api, http: Request) -> Response:
    """A prediction of the caller's."""
    record = await api.jobs.record(VENDOR, api.caller(http), http.path_params["id"])
    return EchoResponse(_prediction(http, record))


def _prediction(http: Request, record: Record) -> dict[str, Any]:
    """A prediction as Replicate tells it; warnings are lines of its logs."""
    output = [url_of(http, picture.name) for picture in record.done]
    return {
        "id": record.id,
        **record.about,
        "status": STATES.get(record.state, record.state),
        "input": record.input,
        "output": output if record.state == "succeeded" else None,
        "logs": "\n".join(record.logs),
        "error": record.error or None,
        "metrics": {"predict_time": record.seconds} if record.ended else {},
        "created_at": iso_time(record.created),
        "started_at": iso_time(record.started),
        "completed_at": iso_time(record.ended),
        "urls": {"get": str(http.base_url).rstrip("/") + f"/synexa/v1/predictions/{record.id}"},
    }
