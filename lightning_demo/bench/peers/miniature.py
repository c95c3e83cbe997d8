"""What the peers that serve have in common: the miniature in diffusers' pipeline, and their ends.

Each is a program, `python -m lightning_demo.bench.peers.NAME PORT THREADS STEPS`: it prints its
address, tells the steps it has taken as our own server does, and serves until it is ended.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ...model.loading import load_components
from ...model.weights.checkpoints import MINIATURE
from ...schemas import GenerationRequest
from .pipe import Pipe, call

if TYPE_CHECKING:
    import gradio as gr

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


class Miniature:
    """The miniature in diffusers' own pipeline, with one step count."""

    def __init__(self, threads: int, num_inference_steps: int) -> None:
        torch.set_num_threads(threads)
        warnings.simplefilter("ignore")
        pipe = Pipe(load_components(MINIATURE, "cpu"), torch.float32)
        pipe.take(num_inference_steps)
        self.pipe = pipe.pipeline
        self.num_inference_steps, self.taken = num_inference_steps, 0
        self.pipe.unet.register_forward_hook(self._count)

    def paint(self, prompt: str, seed: float) -> Image.Image:
        """The finished picture."""
        size = MINIATURE.sizes[0]
        request = GenerationRequest(prompt, "", self.num_inference_steps, 0.0, int(seed), *size)
        return call(self.pipe, request)

    def metrics(self) -> Route:
        """The route that tells the steps taken."""

        async def metrics(request: Request) -> PlainTextResponse:
            return PlainTextResponse(f"lightning_steps_total {self.taken}\n")

        return Route("/metrics", metrics)

    def _count(self, *call: Any) -> None:
        self.taken += 1


def arguments() -> tuple[int, Miniature]:
    """The port and the model that the command line asks for."""
    port, threads, steps = map(int, sys.argv[1:4])
    return port, Miniature(threads, steps)


def serve_page(demo: gr.Blocks, port: int, model: Miniature) -> None:
    """Serves a Gradio page until the process is ended; on one of Gradio's own ports for 0."""
    demo.launch(
        server_port=port or None,
        quiet=True,
        prevent_thread_lock=True,
        app_kwargs={"routes": [model.metrics()]},
    )
    print(f"Open {demo.local_url}", flush=True)
    while True:
        time.sleep(3600)
