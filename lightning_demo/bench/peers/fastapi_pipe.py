"""The peer `fastapi_pipe`: `pipe(...)` behind a route of FastAPI, as one would first write it.

`POST /paint` with `{"prompt": ..., "num_inference_steps": ..., "seed": ...}` gives a JPEG. FastAPI
calls the route's function on one of forty threads; the lock stands for the one device, and for the
pipeline's noise scheduler, which remembers the step it is at. The header `Server-Timing` says, as
our own server's does, what the picture itself took.
"""

from __future__ import annotations

import threading
import time
import warnings

from fastapi import FastAPI, Response
from pydantic import BaseModel

from ...schemas import GenerationRequest
from ..bench_model import BenchModel
from ..our_server import arguments
from .pipe import Pipe
from .telling_server import serve


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


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    port, steps, model = arguments()
    app = application(model, steps)
    serve(app, port)
