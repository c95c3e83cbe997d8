"""AUTOMATIC1111's web API: `/sdapi/v1/txt2img`, `progress` and `interrupt`.

Fields and answers are those of stable-diffusion-webui's modules/api; Open WebUI's image
engine "automatic1111" and the package `webuiapi` call it so. A picture is a job, so that `progress`
can show it and `interrupt` stop it: a client sees and stops its own only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import InvalidRequest, LightningError
from ...schemas import MAX_PROMPT_CHARACTERS, Frame, Style, random_seed
from ..http_json import EchoResponse
from ..painting import while_connected
from .a1111_answers import info, progress_of
from .access import KEY_FAULTS
from .aspect import of_sides
from .files import Picture, as_text
from .job import ENDED, Job, Record
from .order import MAX_SIDE, Asked, Output, no_effect
from .reading import Question, read_question
from .service import Api, answers, as_json, bound
from .store import Store

VENDOR = "a1111"
MAX_PICTURES = 64  # of one request
NAMES = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "size": "width",
    "style": "styles",
    "variation_seed": "subseed",
    "variation_strength": "subseed_strength",
}

OUR_SAMPLERS = ("euler", "k_euler")
OUR_SCHEDULERS = ("sgm_uniform", "sgm uniform", "sgmuniform", "automatic")
# What clients send with every request and asks for nothing.
NEUTRAL: tuple[Any, ...] = (None, False, 0, -1, "", [], {})
DEFAULTS = {"eta": 1, "s_noise": 1, "override_settings_restore_afterwards": True}

Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]
Count = Annotated[int, Field(ge=1, le=MAX_PICTURES)]


class TextToImageQuestion(Question):
    """What `POST /sdapi/v1/txt2img` takes. Absent or null is the model's default."""

    prompt: Text = ""
    negative_prompt: Text | None = None
    seed: Annotated[int | None, Field(description="-1: a random one.")] = None
    steps: Annotated[int, Field(ge=1, le=150)] | None = None
    cfg_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    width: Side | None = None
    height: Side | None = None
    batch_size: Count | None = None
    n_iter: Count | None = None
    sampler_name: str | None = None
    sampler_index: str | None = None
    scheduler: str | None = None
    enable_hr: bool | None = None
    send_images: bool | None = None
    override_settings: dict[str, Any] | None = None
    styles: list[str] | None = None
    subseed: Annotated[int | None, Field(description="-1: a random one.")] = None
    subseed_strength: Annotated[float, Field(ge=0, le=1)] | None = None

    def asked(self, served: str, styles: Sequence[Style]) -> Asked:
        """
        Args:
            served: the model.
            styles: those that there are.

        Raises:
            InvalidRequest: too many pictures are asked for.
        """
        count = (self.batch_size or 1) * (self.n_iter or 1)
        if count > MAX_PICTURES:
            raise InvalidRequest(
                f"n_iter: batch_size times n_iter may be {MAX_PICTURES}.", field="n_iter"
            )
        return Asked(
            self.prompt,
            self.negative_prompt,
            self.steps,
            self.cfg_scale,
            None if self.seed == -1 else self.seed,
            of_sides(self.width, self.height),
            count=count,
            varied=True,  # as there
            output=Output("png"),
            others={
                "style": next(iter(self._known(styles)), None),
                "variation_seed": self._subseed,
                "variation_strength": self.subseed_strength,
            },
            names={**NAMES, "count": "n_iter" if (self.n_iter or 1) > 1 else "batch_size"},
            warnings=self._ignored(served, self._known(styles)[:1]),
        )

    def _known(self, styles: Sequence[Style]) -> list[str]:
        """Those of the asked styles that there are; the web UI, too, passes over others."""
        names = {style.name.casefold() for style in styles}
        return [name for name in self.styles or () if name.strip().casefold() in names]

    @property
    def _subseed(self) -> int | None:
        """Drawn where it acts and none is said."""
        drawn = self.subseed in (None, -1) and self.subseed_strength
        return random_seed() if drawn else None if self.subseed == -1 else self.subseed

    def _ignored(self, served: str, taken: Sequence[str]) -> list[str]:
        """What changes nothing here, and why."""
        sampler_name, sampler = self.first("sampler_name", "sampler_index")
        ours = (sampler or "euler").lower() in OUR_SAMPLERS
        given: dict[str, Any] = {
            sampler_name: None if ours else sampler,
            "scheduler": self.scheduler
            if (self.scheduler or "automatic").lower() not in OUR_SCHEDULERS
            else None,
            "enable_hr": self.enable_hr or None,
            "styles": None if list(taken) == (self.styles or []) else self.styles,
        }
        for name, value in (self.override_settings or {}).items():
            if name != "sd_model_checkpoint" or value != served:
                given[f"override_settings.{name}"] = value
        second_pass = () if self.enable_hr else ("hr_", "denoising_strength", "firstphase_")
        for name, value in self.unknown.items():
            unasked = value in NEUTRAL or value == DEFAULTS.get(name)
            if not unasked and not name.startswith(second_pass):
                given[name] = value
        reasons = {
            sampler_name: "the sampler is Euler, which the model needs",
            "scheduler": "the scheduler is SGM Uniform, which the model needs",
            "enable_hr": "has no effect; a picture is painted once, in its size",
            "styles": f"of them {taken[0] if taken else 'none'} has an effect; one is taken that "
            "is in the server's file",
            "override_settings.sd_model_checkpoint": f"this server has one model, {served}",
        }
        return no_effect(given, reasons)


class Failed(LightningError):
    """A job that has come to no picture."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.error, field=record.error_field)
        self.status = record.status


def routes(api: Api) -> list[BaseRoute]:
    """The routes of the web UI's API."""
    return [
        Route("/sdapi/v1/txt2img", bound(txt2img, api), methods=["POST"]),
        Route("/sdapi/v1/progress", bound(progress, api)),
        Route("/sdapi/v1/interrupt", bound(interrupt, api), methods=["POST"]),
    ]


def as_a1111(error: LightningError) -> Response:
    """An error as the web UI answers it; a field at fault as FastAPI does within it."""
    key = isinstance(error, KEY_FAULTS)
    detail: Any = error.message
    if error.field:
        detail = [{"loc": ["body", error.field], "msg": error.message, "type": "value_error"}]
    content = {"error": type(error).__name__, "detail": detail, "body": "", "errors": error.message}
    response = as_json(error, 401 if key else error.status, content)
    if key:
        response.headers["WWW-Authenticate"] = "Basic"
    return response


@answers(as_a1111)
async def txt2img(api: Api, http: Request) -> Response:
    """Paints what is asked for; after an interrupt, answers with what was finished before."""
    caller = api.admit(http)
    question = await read_question(http, TextToImageQuestion)
    given = question.model_dump(exclude_unset=True)
    order = api.place(question.asked(served(api), api.limits.styles), caller)
    job = await api.jobs.start(VENDOR, caller, order, given)
    try:
        painted = await while_connected(http, _painted(job))
    finally:
        if job.record.state not in ENDED:
            await api.jobs.cancel(VENDOR, caller, job.record.id)
    if job.record.state == "failed":
        raise Failed(job.record)
    pictures = [await asyncio.to_thread(_read, api.store, each) for each in job.record.done]
    said = question.prompt, question.negative_prompt or "", question.batch_size or 1
    images = [] if question.send_images is False else [as_text(data) for data in pictures]
    content = {
        "images": images,
        "parameters": given,
        "info": json.dumps(info(job.record, order.requests[0], painted, *said)),
    }
    return EchoResponse(content, headers={"Cache-Control": "no-store"})


@answers(as_a1111)
async def progress(api: Api, http: Request) -> Response:
    """How far the caller's oldest request is; the preview of it is a JPEG."""
    caller = api.caller(http)
    running = api.jobs.running(VENDOR, caller)
    skip = http.query_params.get("skip_current_image", "").lower() in ("true", "1")
    content = progress_of(running[0] if running else None, with_picture=not skip)
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


@answers(as_a1111)
async def interrupt(api: Api, http: Request) -> Response:
    """Stops whatever the caller has running."""
    caller = api.caller(http)
    for job in api.jobs.running(VENDOR, caller):
        await api.jobs.cancel(VENDOR, caller, job.record.id)
    return JSONResponse({})


def served(api: Api) -> str:
    """The name of the one model that there is."""
    return api.service.engine.status().model


def _read(store: Store, picture: Picture) -> bytes:
    return store.file(picture.name).path.read_bytes()


async def _painted(job: Job) -> list[Frame]:
    """Waits for the end; then the finished pictures, by place.

    What is said of them is not read from their files: strangers' may hold less text than these.
    """
    frames: dict[int, Frame] = {}
    async for _, event in job.events():
        if event.kind == "picture" and event.frame is not None:
            frames[event.place] = event.frame
    return [frames[place] for place in sorted(frames)]
