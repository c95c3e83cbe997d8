"""What surrounds `txt2img` in AUTOMATIC1111's web API: its settings, lists and `png-info`.

There is one model, one sampler and one scheduler; nothing can be set.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...studio.a1111_parameters import parse_parameters
from ...studio.picture_info import decode_picture, read_info
from ..http_json import read_json
from .a1111 import as_a1111, served
from .order import no_effect
from .reading import Question, read_question
from .service import Api, answers, bound

SAMPLERS = [{"name": "Euler", "aliases": ["k_euler", "euler"], "options": {}}]
SCHEDULERS = [
    {
        "name": "sgm_uniform",
        "label": "SGM Uniform",
        "aliases": ["SGMUniform"],
        "default_rho": -1,
        "need_inner_model": True,
    }
]


class PictureQuestion(Question):
    """What `POST /sdapi/v1/png-info` takes."""

    image: str


def routes(api: Api) -> list[BaseRoute]:
    """The routes of settings, lists and pictures' settings."""
    return [
        Route("/sdapi/v1/options", bound(options, api), methods=["GET"]),
        Route("/sdapi/v1/options", bound(set_options, api), methods=["POST"]),
        Route("/sdapi/v1/sd-models", bound(models, api)),
        Route("/sdapi/v1/samplers", bound(samplers, api)),
        Route("/sdapi/v1/schedulers", bound(schedulers, api)),
        Route("/sdapi/v1/png-info", bound(png_info, api), methods=["POST"]),
    ]


@answers(as_a1111)
async def options(api: Api, http: Request) -> Response:
    """The settings that clients ask for."""
    api.caller(http)
    return JSONResponse(_options(api))


@answers(as_a1111)
async def set_options(api: Api, http: Request) -> Response:
    """Changes nothing, and says so where a change was asked for."""
    api.caller(http)
    now = _options(api)
    given = await read_json(http)
    changes = {name: value for name, value in given.items() if value != now.get(name)}
    reasons = {"sd_model_checkpoint": f"this server has one model, {served(api)}"}
    return JSONResponse({"warnings": no_effect(changes, reasons)})


@answers(as_a1111)
async def models(api: Api, http: Request) -> Response:
    """The one model."""
    api.caller(http)
    name = served(api)
    about = {"title": name, "model_name": name, "hash": None, "sha256": None, "config": None}
    return JSONResponse([{**about, "filename": name}])


@answers(as_a1111)
async def samplers(api: Api, http: Request) -> Response:
    """The one sampler."""
    api.caller(http)
    return JSONResponse(SAMPLERS)


@answers(as_a1111)
async def schedulers(api: Api, http: Request) -> Response:
    """The one scheduler."""
    api.caller(http)
    return JSONResponse(SCHEDULERS)


@answers(as_a1111)
async def png_info(api: Api, http: Request) -> Response:
    """The settings inside a picture, of this server or of another."""
    api.caller(http)
    question = await read_question(http, PictureQuestion)
    data = decode_picture(question.image.strip(), "image")
    found = await asyncio.to_thread(read_info, data, "image")
    parsed = parse_parameters(found.parameters) if found.parameters else {}
    return JSONResponse({"info": found.parameters, "items": found.items, "parameters": parsed})


def _options(api: Api) -> dict[str, Any]:
    return {
        "sd_model_checkpoint": served(api),
        "samples_format": "png",
        "CLIP_stop_at_last_layers": 1,
    }
