"""Finished pictures as files with an address, or as text within an answer."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ...images import JPEG_QUALITY, add_settings, encode
from ...schemas import Frame
from .order import Order, Output
from .store import Store

LIVE = Output("jpeg", JPEG_QUALITY)  # as the engine encodes frames


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture that has been kept."""

    name: str  # of its file
    media_type: str
    width: int  # px
    height: int
    bytes: int
    seed: int
    blurred: bool = False  # by the safety checker


async def encoded(frame: Frame, output: Output) -> bytes:
    """A final frame in the format that was asked for, its settings inside."""
    if output == LIVE and frame.media_type == output.media_type:  # encoded already
        return add_settings(frame.data, frame.pixels, frame.request, frame.model)
    how = (output.format, output.quality, frame.weights, output.template)
    return await asyncio.to_thread(encode, frame.pixels, frame.request, frame.model, *how)


async def keep(store: Store, frame: Frame, order: Order) -> Picture:
    """Keeps a final frame as a file."""
    data = await encoded(frame, order.output)
    name = await asyncio.to_thread(store.put_file, data, order.output.media_type)
    width, height = frame.size
    seed, blurred = frame.request.seed, frame.safety == "blurred"
    return Picture(name, order.output.media_type, width, height, len(data), seed, blurred)


def url_of(http: HTTPConnection, name: str) -> str:
    """Where a client finds a file: under the address that it has asked at."""
    return f"{str(http.base_url).rstrip('/')}/files/{name}"


def as_text(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


def data_uri(data: bytes, media_type: str) -> str:
    """Bytes as a URI that holds them."""
    return f"data:{media_type};base64,{as_text(data)}"
