"""Pixels to JPEG and PNG bytes, with the settings inside what is saved.

Knows nothing about models, engines or HTTP.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .schemas import GenerationRequest

JPEG_QUALITY = 90
PNG_COMPRESSION = 1  # level 6 takes six times as long for a tenth less


def encode_jpeg(pixels: np.ndarray[Any, np.dtype[np.uint8]], quality: int = JPEG_QUALITY) -> bytes:
    """Encodes uint8 [height, width, 3] as JPEG 4:2:0, for live frames."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def encode_png(
    pixels: np.ndarray[Any, np.dtype[np.uint8]], request: GenerationRequest, model: str
) -> bytes:
    """Encodes uint8 [height, width, 3] losslessly, with the settings that made it inside.

    Two text chunks: `parameters` in the form that Stable Diffusion tools exchange, and
    `generation`, the same as JSON.
    """
    text = PngInfo()
    height, width = pixels.shape[:2]  # as painted, which is not always as asked
    request = replace(request, width=width, height=height)
    text.add_itxt("parameters", parameters_text(request, model))
    text.add_itxt("generation", json.dumps({**request.as_dict(), "model": model}))
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
