"""fal's API: run a model, or stream its progress; and the routes of all of it.

After fal's Inference API reference (fal.ai/docs/api-reference/inference-api) and what its clients
for Python and JavaScript read. They tell run and queue apart by the host; ours are two paths, so
that FAL_RUN_HOST=HOST/fal/run and FAL_QUEUE_RUN_HOST=HOST/fal/queue.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from ...errors import report_incident
from ...schemas import Frame
from ..callers import Caller
from . import event_stream, fal_queue, fal_realtime
from .fal import (
    APP,
    REQUEST_ID,
    RUN,
    FalQuestion,
    as_fal,
    described,
    detail_of,
    read,
    result_of,
)
from .files import data_uri
from .order import Order
from .service import Api, answers, bound, log
from .store import NotFound, new_id

HOSTS = {"fal.run": "/fal/run", "queue.fal.run": "/fal/queue"}  # and what they are here


class NoSuchApp(NotFound):
    """Another of fal's models, or a path that this one has not."""


def routes(api: Api) -> list[BaseRoute]:
    """fal's routes; last the one that says what is not here."""
    served: list[BaseRoute] = [
        Route(RUN, bound(run, api), methods=["POST"]),
        Route(f"{RUN}/stream", bound(stream, api), methods=["POST"]),
        *fal_queue.routes(api),
        *fal_realtime.routes(api),
        Route("/fal/{path:path}", bound(unknown, api), methods=["GET", "POST", "PUT"]),
    ]
    return [Route("/fal/proxy", Proxy(served)), *served]


@answers(as_fal)
async def run(api: Api, http: Request) -> Response:
    """Paints and answers with the result."""
    question, order, caller = await read(api, http)
    frames = await api.paint(http, order, caller)
    content = await result_of(api, http, question, order, frames)
    return JSONResponse(content, headers={"Cache-Control": "no-store", REQUEST_ID: new_id()})


@answers(as_fal)
async def stream(api: Api, http: Request) -> Response:
    """Server-sent events: the same with previews after each step, last the result."""
    question, order, caller = await read(api, http)
    response = event_stream.stream(_events(api, http, question, order, caller))
    response.headers[REQUEST_ID] = new_id()
    return response


async def _events(
    api: Api, http: Request, question: FalQuestion, order: Order, caller: Caller
) -> AsyncGenerator[bytes, None]:
    finals: dict[int, Frame] = {}
    try:
        async with aclosing(api.frames(order, caller)) as frames:
            async for place, frame in frames:
                if frame.final:
                    finals[place] = frame
                else:
                    yield event_stream.event(_preview(place, frame))
        painted = [frame for _, frame in sorted(finals.items(), key=lambda item: item[0])]
        yield event_stream.event(await result_of(api, http, question, order, painted))
    except Exception as error:
        told = report_incident(error, "The picture could not be painted", log)
        yield event_stream.event({"detail": detail_of(told), "status": told.status}, "error")


def _preview(place: int, frame: Frame) -> dict[str, Any]:
    """How far a picture is, in the result's own shape."""
    picture = {"url": data_uri(frame.data, frame.media_type)}
    return {
        "images": [described(picture, frame.media_type, frame.size)],
        "index": place,
        "progress": round(frame.step / frame.request.num_inference_steps, 3),
        "seed": frame.request.seed,
        "prompt": frame.request.prompt,
    }


@answers(as_fal)
async def unknown(api: Api, http: Request) -> Response:
    """What is not here."""
    path = http.path_params["path"].encode("ascii", "replace").decode()[:100]
    raise NoSuchApp(f"There is no {http.method} {path}; of fal's models this server has {APP}.")


class Proxy:
    """What `proxyUrl` of the JavaScript client asks: the address that is meant is in a header.

    Only fal's own are known, and mean the routes here; nothing is fetched.
    """

    shape = staticmethod(as_fal)

    def __init__(self, served: Sequence[BaseRoute]) -> None:
        self._router = Router(served)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            target = urlsplit(Headers(scope=scope).get("x-fal-target-url", ""))
            root = HOSTS[target.netloc]
        except (ValueError, KeyError):
            hosts = " or ".join(f"https://{host}" for host in HOSTS)
            told = NoSuchApp(f"x-fal-target-url: must be an address at {hosts}.")
            await as_fal(told)(scope, receive, send)
            return
        path = scope.get("root_path", "") + root + target.path
        meant = {"path": path, "raw_path": path.encode(), "query_string": target.query.encode()}
        await self._router({**scope, **meant}, receive, send)
