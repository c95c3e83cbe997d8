"""The peer `fifo`: a server of `pipe(...)` that answers every request, in the order they came.

`POST /paint` with `{"prompt": …, "seed": …}` gives a JPEG; a request whose page has gone is not
painted. Run as a program: prints its address, serves until it is ended.
"""

from __future__ import annotations

import asyncio
import io
import sys

import torch
import uvicorn
from diffusers import StableDiffusionXLPipeline
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...images import JPEG_QUALITY
from ...model.weights.checkpoints import MINIATURE
from .always_last import pipeline
from .step_count import StepCount


def application(pipe: StableDiffusionXLPipeline, num_inference_steps: int) -> Starlette:
    """The server's routes."""
    width, height = MINIATURE.sizes[0]
    line = asyncio.Lock()  # lets in whoever has waited longest

    def jpeg(prompt: str, seed: int) -> bytes:
        image = pipe(
            prompt=prompt,
            num_inference_steps=num_inference_steps,
            guidance_scale=0,
            width=width,
            height=height,
            generator=torch.Generator("cpu").manual_seed(seed),
        ).images[0]
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=JPEG_QUALITY)
        return buffer.getvalue()

    async def paint(request: Request) -> Response:
        fields = await request.json()
        async with line:
            if await request.is_disconnected():
                return Response(status_code=204)
            picture = await asyncio.to_thread(jpeg, fields["prompt"], fields["seed"])
        return Response(picture, media_type="image/jpeg")

    count = StepCount(pipe.unet)
    return Starlette(routes=[Route("/paint", paint, methods=["POST"]), count.route()])


def main() -> None:
    """`python -m lightning_demo.bench.peers.fifo PORT THREADS STEPS`."""
    port, threads, steps = map(int, sys.argv[1:4])
    app = application(pipeline(threads, steps), steps)
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    listening = config.bind_socket()
    print(f"Open http://127.0.0.1:{port}/", flush=True)
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
