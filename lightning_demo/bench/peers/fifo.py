"""The peer `fifo`: a server of `pipe(...)` that answers every request, in the order they came.

`POST /paint` with `{"prompt": …, "seed": …}` gives a JPEG; a request whose page has gone is not
painted.
"""

from __future__ import annotations

import asyncio
import io

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...images import JPEG_QUALITY
from .miniature import Miniature, arguments
from .telling_server import serve


def application(model: Miniature) -> Starlette:
    """The server's routes."""
    line = asyncio.Lock()  # lets in whoever has waited longest

    def jpeg(prompt: str, seed: int) -> bytes:
        buffer = io.BytesIO()
        model.paint(prompt, seed).save(buffer, "JPEG", quality=JPEG_QUALITY)
        return buffer.getvalue()

    async def paint(request: Request) -> Response:
        fields = await request.json()
        async with line:
            if await request.is_disconnected():
                return Response(status_code=204)
            picture = await asyncio.to_thread(jpeg, fields["prompt"], fields["seed"])
        return Response(picture, media_type="image/jpeg")

    return Starlette(routes=[Route("/paint", paint, methods=["POST"]), model.metrics()])


if __name__ == "__main__":
    port, model = arguments()
    serve(application(model), port)
