"""The peer `fastapi_pipe`: `pipe(...)` behind a route of FastAPI, as one would first write it.

`POST /paint` with `{"prompt": ..., "num_inference_steps": ..., "seed": ...}` gives a JPEG. FastAPI
calls the route's function on one of forty threads; the lock stands for the one device, and for the
pipeline's noise scheduler, which remembers the step it is at. The header `Server-Timing` says, as
our own server's does, what the picture itself took.
"""

from __future__ import annotations

import socket
import threading
import time
import warnings

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

from ...schemas import GenerationRequest
from ..bench_model import BenchModel
from ..our_server import arguments
from .pipe import Pipe


class Question(BaseModel):
    """What the route takes."""

    prompt: str
    num_inference_steps: int
    seed: int


def application(model: BenchModel, num_inference_steps: int) -> FastAPI:
    """The server's one route.

    Args:
        num_inference_steps: whose weights it has.
    """
    app, device = FastAPI(), threading.Lock()
    pipe = Pipe(model.components, model.components.dtype)
    pipe.take(num_inference_steps)
    size = model.components.spec.sizes[0]

    @app.post("/paint")
    def paint(question: Question) -> Response:
        steps, seed = question.num_inference_steps, question.seed
        request = GenerationRequest(question.prompt, "", steps, 0.0, seed, *size)
        with device:
            begun = time.perf_counter()
            picture = pipe.jpeg(request)
            took = 1000 * (time.perf_counter() - begun)
        headers = {"Server-Timing": f"total;dur={took:.2f}"}
        return Response(picture, headers=headers, media_type="image/jpeg")

    return app


class TellingServer(uvicorn.Server):
    """One that says when it can be used.

    A socket bound before would do without that, but uvicorn's leaves Nagle's algorithm on, which
    costs 40 ms an answer.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, then says so."""
        await super().startup(sockets)
        print(f"Open http://{self.config.host}:{self.config.port}/", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    port, steps, model = arguments()
    app = application(model, steps)
    TellingServer(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")).run()
