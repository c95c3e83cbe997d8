"""Pixels to JPEG and PNG bytes, with the settings inside what is saved.

Knows nothing about models, engines or HTTP.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from .comfyui import workflow_texts
from .schemas import OWN_WEIGHTS, GenerationRequest, Weights

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

JPEG_QUALITY = 90
PNG_COMPRESSION = 1  # level 6 takes six times as long for a tenth less


def encode_jpeg(pixels: Pixels, quality: int = JPEG_QUALITY) -> bytes:
    """Encodes uint8 [height, width, 3] as JPEG 4:2:0, for live frames."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def encode(
    pixels: Pixels,
    request: GenerationRequest,
    model: str,
    format: str,
    quality: int,
    weights: Weights = OWN_WEIGHTS,
) -> bytes:
    """Encodes uint8 [height, width, 3] as "jpeg", "png" or "webp", with the settings inside.

    Args:
        quality: 1 … 100, of what is lossy.
    """
    if format == "png":
        return encode_png(pixels, request, model, weights)
    exif = Image.Exif()
    text = parameters_text(_as_painted(request, pixels), model)
    # The EXIF standard's form of a comment in any script (2.32, table 9).
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + text.encode(
        "utf-16-be"
    )
    options = {"subsampling": "4:2:0"} if format == "jpeg" else {"method": 2}
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format.upper(), quality=quality, exif=exif, **options)
    return buffer.getvalue()


def encode_png(
    pixels: Pixels, request: GenerationRequest, model: str, weights: Weights = OWN_WEIGHTS
) -> bytes:
    """Encodes uint8 [height, width, 3] losslessly, with the settings that made it inside.

    Text chunks: `parameters` in the form that Stable Diffusion tools exchange, `generation`, the
    same as JSON, and those by which ComfyUI opens the picture as a workflow.
    """
    text = PngInfo()
    request = _as_painted(request, pixels)
    text.add_itxt("parameters", parameters_text(request, model))
    text.add_itxt("generation", json.dumps({**request.as_dict(), "model": model}))
    for name, value in workflow_texts(request, model, weights).items():
        text.add_text(name, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text, compress_level=PNG_COMPRESSION)
    return buffer.getvalue()


def parameters_text(request: GenerationRequest, model: str) -> str:
    """The settings in the text form that AUTOMATIC1111's web UI introduced."""
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    lines.append(
        f"Steps: {request.num_inference_steps}, Sampler: Euler, Schedule type: SGM Uniform, "
        f"CFG scale: {request.guidance_scale:g}, Seed: {request.seed}, "
        f"Size: {request.width}x{request.height}, Model: {model}"
    )
    return "\n".join(lines)


def _as_painted(request: GenerationRequest, pixels: Pixels) -> GenerationRequest:
    """The request with the size of its picture, which is not always the one asked for."""
    height, width = pixels.shape[:2]
    return replace(request, width=width, height=height)
