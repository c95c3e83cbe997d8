"""Our own API: `POST /v1/pictures`, `GET /v1/models`, `GET /v1/usage`, and the files.

The answer is what `Accept` asks for: JSON with addresses or base64, the bytes of a picture, or
server-sent events with a preview after each step.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors import InvalidRequest, LightningError, report_incident
from ...schemas import EngineStatus, Frame
from ..callers import Caller
from ..http_json import stages
from ..prices import costs
from . import event_stream
from .files import as_text, encoded, keep, url_of
from .job import owner_of
from .native_question import PictureQuestion
from .order import Order
from .reading import read_question
from .service import Api, answers, as_problem, bound, log


def routes(api: Api) -> list[BaseRoute]:
    """The routes of our own API."""
    return [
        Route("/v1/pictures", bound(pictures, api), methods=["POST"]),
        Route("/v1/models", bound(models, api)),
        Route("/v1/usage", bound(usage, api)),
        Route("/files/{name}", bound(file, api)),
    ]


@answers(as_problem)
async def pictures(api: Api, http: Request) -> Response:
    """Paints what is asked for."""
    caller = api.admit(http)
    question = await read_question(http, PictureQuestion, strict=True)
    wanted = accepted(http.headers.get("accept", ""))
    order = api.place(question.asked(wanted if wanted in ("jpeg", "png", "webp") else None), caller)
    if wanted == "events":
        return event_stream.stream(_events(api, http, question, order, caller))
    if wanted != "json":
        return await _bytes(api, http, order, caller)
    begun = time.perf_counter()
    frames = await api.paint(http, order, caller)
    content = await _described(api, http, question, order, frames)
    content["timings"] = {"total_ms": round((time.perf_counter() - begun) * 1000, 1)}
    headers = {"Cache-Control": "no-store", "Server-Timing": stages(frames)}
    return JSONResponse(content, headers=headers)


@answers(as_problem)
async def models(api: Api, http: Request) -> Response:
    """The model that is served, in the form that OpenAI's clients read, with its limits."""
    api.caller(http)
    return JSONResponse({"object": "list", "data": [described_model(api.service.engine.status())]})


@answers(as_problem)
async def usage(api: Api, http: Request) -> Response:
    """What the caller has used, and what it would have cost elsewhere."""
    caller = api.caller(http)
    days = await api.usage.of(owner_of(caller))
    total = sum(day["pictures"] for day in days)
    return JSONResponse({"days": days, "pictures": total, "would_have_cost": costs(total)})


@answers(as_problem)
async def file(api: Api, http: Request) -> Response:
    """A finished picture; whoever knows its name may have it."""
    found = await asyncio.to_thread(api.store.file, http.path_params["name"])
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'inline; filename="{found.name}"',
    }
    return FileResponse(found.path, media_type=found.media_type, headers=headers)


def described_model(status: EngineStatus) -> dict[str, Any]:
    """The model that is served and what it can be asked for."""
    limits = status.limits
    return {
        "id": status.model,
        "object": "model",
        "created": 1_708_473_600,  # 21 February 2024, when SDXL-Lightning appeared
        "owned_by": "bytedance" if status.model == "sdxl-lightning" else "lightning-demo",
        "title": status.title,
        "state": status.state,
        "num_inference_steps": list(limits.num_inference_steps),
        "default_num_inference_steps": limits.default_steps,
        "sizes": [list(size) for size in limits.sizes],
        "min_side": limits.min_side,
        "max_side": limits.max_side,
        "styles": [asdict(style) for style in limits.styles],
    }


def accepted(accept: str) -> Literal["json", "events", "jpeg", "png", "webp"]:
    """What an Accept header likes best of what there is, of equals the first; else JSON."""
    known: dict[str, Literal["json", "events", "jpeg", "png", "webp"]] = {
        "application/json": "json",
        "text/event-stream": "events",
        "image/jpeg": "jpeg",
        "image/jpg": "jpeg",
        "image/png": "png",
        "image/webp": "webp",
        "image/*": "jpeg",
    }
    ranges = [part.lower().partition(";")[::2] for part in accept.split(",")]
    for kind, parameters in sorted(ranges, key=lambda each: -_weight(each[1])):
        found = known.get(kind.strip())
        if found and _weight(parameters) > 0:
            return found
    return "json"


def _weight(parameters: str) -> float:
    """That of a media range (RFC 9110, 12.4.2); 1 where it says none."""
    found = re.search(r"(?:^|;)\s*q=([01](?:\.\d{0,3})?)\s*(?:;|$)", parameters, re.ASCII)
    return float(found[1]) if found else 1.0


async def _bytes(api: Api, http: Request, order: Order, caller: Caller) -> Response:
    """The picture itself; what else there is to say stands in the headers."""
    if len(order.requests) > 1:
        raise InvalidRequest(
            "num_images: must be 1 for an answer that is a picture; Accept application/json.",
            field="num_images",
        )
    frame = (await api.paint(http, order, caller))[0]
    data = await encoded(frame, order.output)
    headers = {
        "Cache-Control": "no-store",
        "X-Seed": str(order.seed),
        "X-Model": frame.model,
        "X-Warnings": json.dumps(order.told([frame])),
        "Server-Timing": stages([frame]),
    }
    return Response(data, headers=headers, media_type=order.output.media_type)


async def _described(
    api: Api, http: Request, question: PictureQuestion, order: Order, frames: list[Frame]
) -> dict[str, Any]:
    """Finished pictures as JSON."""
    first = order.requests[0]
    return {
        "created": int(time.time()),
        "model": frames[0].model,
        "prompt": first.prompt,
        "num_inference_steps": first.num_inference_steps,
        "guidance_scale": first.guidance_scale,
        "pictures": [await _picture(api, http, question, order, frame) for frame in frames],
        "warnings": order.told(frames),
    }


async def _picture(
    api: Api, http: Request, question: PictureQuestion, order: Order, frame: Frame
) -> dict[str, Any]:
    width, height = frame.size
    about = {
        "seed": frame.request.seed,
        "width": width,
        "height": height,
        "media_type": order.output.media_type,
    }
    if question.response_format == "b64_json":
        return {"b64_json": as_text(await encoded(frame, order.output)), **about}
    picture = await keep(api.store, frame, order)
    return {"url": url_of(http, picture.name), **about}


async def _events(
    api: Api, http: Request, question: PictureQuestion, order: Order, caller: Caller
) -> AsyncGenerator[bytes, None]:
    """`preview` after each step, `picture` for each that is finished, then `done` or `error`."""
    begun = time.perf_counter()
    finals: dict[int, Frame] = {}
    try:
        async with aclosing(api.frames(order, caller)) as frames:
            async for place, frame in frames:
                if frame.final:
                    finals[place] = frame
                    about = await _picture(api, http, question, order, frame)
                    yield event_stream.event({"index": place, **about}, "picture")
                else:
                    preview = {
                        "index": place,
                        "step": frame.step,
                        "num_inference_steps": frame.request.num_inference_steps,
                        "media_type": frame.media_type,
                        "b64_json": as_text(frame.data),
                    }
                    yield event_stream.event(preview, "preview")
        total = round((time.perf_counter() - begun) * 1000, 1)
        done = {
            "model": finals[0].model,
            "warnings": order.told(finals.values()),
            "timings": {"total_ms": total},
        }
        yield event_stream.event(done, "done")
    except Exception as error:
        told = report_incident(error, "The picture could not be painted", log)
        yield event_stream.event(_problem(told), "error")


def _problem(error: LightningError) -> dict[str, Any]:
    return {"status": error.status, "detail": error.message, "field": error.field}
