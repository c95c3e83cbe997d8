"""Runflow's API: `POST /runflow/v1/models/{model}/runs`, and runs that are asked for by their id.

Routes, envelope and errors: docs.runflow.io/concepts/runs and /errors. For its SDXL-Lightning it
publishes the names of the inputs, that steps are 4 where absent and 12 at most, and that the output
is a JPEG; the bounds of the other inputs are ours.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...errors import LightningError
from ...schemas import MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARACTERS
from ..http_json import EchoResponse
from .access import KEY_FAULTS
from .aspect import of_sides
from .files import url_of
from .job import Record, iso_time
from .order import MAX_SIDE, Asked, Output, no_effect
from .reading import Question, read_question
from .service import Api, answers, as_json, bound

VENDOR = "runflow"
NAMES = {
    "prompt": "input.prompt",
    "negative_prompt": "input.negative_prompt",
    "num_inference_steps": "input.steps",
    "guidance_scale": "input.guidance",
    "seed": "input.seed",
    "size": "input.width",
}
STATES = {"cancelled": "canceled"}  # where the two have other words
CODES = {
    401: "UNAUTHORIZED",
    403: "PERMISSION_DENIED",
    404: "RUN_NOT_FOUND",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    503: "MODEL_UNAVAILABLE",
}

Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]


class Inputs(Question):
    """The seven inputs of the model. Absent or null is the default."""

    prompt: Annotated[Text, Field(min_length=1)]
    negative_prompt: Text | None = None
    seed: int | None = None
    width: Side | None = None
    height: Side | None = None
    guidance: Annotated[float, Field(ge=0, le=MAX_GUIDANCE_SCALE)] | None = None
    steps: Annotated[int, Field(ge=1, le=12)] | None = None


class RunQuestion(Question):
    """What the creation of a run takes."""

    input: Inputs
    metadata: dict[str, Any] | None = None
    client_ref: str | None = None
    callback_url: str | None = None

    def asked(self, model: str, served: str) -> Asked:
        """
        Args:
            model: that the address names.
            served: that is here.
        """
        given = self.input
        ignored = {
            "model": None if served in model or "lightning" in model else model,
            "callback_url": self.callback_url,
            **{f"input.{name}": value for name, value in given.unknown.items()},
            **self.unknown,
        }
        reasons = {
            "model": f"this server has one model, {served}",
            "callback_url": "nothing is called back; ask for the run by its id",
        }
        return Asked(
            given.prompt,
            given.negative_prompt,
            given.steps,
            given.guidance,
            given.seed,
            of_sides(given.width, given.height),
            output=Output("jpeg"),
            names=NAMES,
            warnings=no_effect(ignored, reasons),
        )


def routes(api: Api) -> list[BaseRoute]:
    """The routes of Runflow's API."""
    return [
        Route("/runflow/v1/models/{model:path}/runs", bound(create, api), methods=["POST"]),
        Route("/runflow/v1/runs/{id}", bound(get, api), methods=["GET"]),
        Route("/runflow/v1/runs/{id}/cancel", bound(cancel, api), methods=["POST"]),
    ]


def as_runflow(error: LightningError) -> Response:
    """An error as Runflow answers it."""
    status = 401 if isinstance(error, KEY_FAULTS) else error.status
    code = CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    faults = [{"field": error.field, "message": error.message}] if error.field else None
    return as_json(error, status, {"code": code, "message": error.message, "errors": faults})


@answers(as_runflow)
async def create(api: Api, http: Request) -> Response:
    """Begins a run."""
    caller = api.admit(http)
    question = await read_question(http, RunQuestion)
    model = http.path_params["model"]
    order = api.place(question.asked(model, api.service.engine.status().model), caller)
    about = {
        "model": model,
        "metadata": question.metadata,
        "client_ref": question.client_ref,
        "callback_url": question.callback_url,
    }
    given = question.input.model_dump(exclude_unset=True)
    job = await api.jobs.start(VENDOR, caller, order, given, about)
    return EchoResponse(_run(http, job.record), 201)


@answers(as_runflow)
async def get(api: Api, http: Request) -> Response:
    """A run of the caller's."""
    record = await api.jobs.record(VENDOR, api.caller(http), http.path_params["id"])
    return EchoResponse(_run(http, record))


@answers(as_runflow)
async def cancel(api: Api, http: Request) -> Response:
    """Stops a run of the caller's, within a step."""
    record = await api.jobs.cancel(VENDOR, api.caller(http), http.path_params["id"])
    return EchoResponse(_run(http, record))


def _run(http: Request, record: Record) -> dict[str, Any]:
    """A run as Runflow tells it; warnings are lines of its log."""
    failed = record.state == "failed"
    return {
        "id": record.id,
        "target_type": "model",
        **record.about,
        "status_code": STATES.get(record.state, record.state),
        "source_code": "api",
        "input": record.input,
        "output": _output(http, record) if record.state == "succeeded" else None,
        "duration_ms": round(record.seconds * 1000) or None,
        "cost": "0",
        "created_at": iso_time(record.created),
        "started_at": iso_time(record.started),
        "completed_at": iso_time(record.ended),
        "has_logs": bool(record.logs),
        "logs": [
            {
                "run_id": record.id,
                "level_code": "warning" if line in record.warnings else "info",
                "message": line,
            }
            for line in record.logs
        ],
        "failure_code": CODES.get(record.status, "EXECUTION_ERROR") if failed else None,
        "failure_message": record.error or None,
        "failure_stage_code": "execution" if failed else None,
    }


def _output(http: Request, record: Record) -> dict[str, Any]:
    pictures = [
        {
            "type": "image",
            "url": url_of(http, picture.name),
            "content_type": picture.media_type,
            "width": picture.width,
            "height": picture.height,
        }
        for picture in record.done
    ]
    addresses = [picture["url"] for picture in pictures]
    return {"image_urls": addresses, "outputs": pictures, "seed": record.seed}
