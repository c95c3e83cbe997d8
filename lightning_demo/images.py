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
from .xmp import has_room, xmp_packet

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

JPEG_QUALITY = 90
PNG_COMPRESSION = 1  # level 6 takes six times as long for a tenth less
BLURRED_SIDE = 10  # pixels that are left of a longer side
COMMENT_BYTES = 65_000  # of a JPEG's settings; the segment that holds them ends at 64 KiB
MAX_LINE = 4_000  # characters of the line of settings where room is short
MAX_TEMPLATE = 10_000  # characters; of one that is longer, only a batch's manifest tells
XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"  # what its segment begins with
XMP_IN_PNG = "XML:com.adobe.xmp"  # the keyword of its chunk
JFIF_END = 20  # bytes: where the first segment of a JPEG by libjpeg ends


def encode_jpeg(pixels: Pixels, quality: int = JPEG_QUALITY) -> bytes:
    """Encodes uint8 [height, width, 3] as JPEG 4:2:0, for live frames."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def encode_lossless(pixels: Pixels) -> bytes:
    """Encodes uint8 [height, width, 3] as PNG with nothing inside but the pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=PNG_COMPRESSION)
    return buffer.getvalue()


def decode(data: bytes) -> Pixels:
    """The pixels of an encoded picture, uint8 [height, width, 3].

    Raises:
        ValueError: it is none.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            return np.asarray(picture.convert("RGB"))
    except Exception as error:  # Pillow raises whatever its parsers stumble over
        raise ValueError(f"no picture ({error})") from None


def blurred(pixels: Pixels) -> Pixels:
    """The picture without anything that could be made out in it: only where it is how bright."""
    picture = Image.fromarray(pixels)
    share = BLURRED_SIDE / max(picture.size)
    few = [max(1, round(side * share)) for side in picture.size]
    small = picture.resize((few[0], few[1]), Image.Resampling.BOX)
    return np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC))


def encode(
    pixels: Pixels,
    request: GenerationRequest,
    model: str,
    format: str,
    quality: int,
    weights: Weights = OWN_WEIGHTS,
    template: str = "",
) -> bytes:
    """Encodes uint8 [height, width, 3] as "jpeg", "png" or "webp", with the settings inside.

    Args:
        quality: 1 … 100, of what is lossy.
        template: what the request's prompt was made of, kept beside it.
    """
    if format == "png":
        return encode_png(pixels, request, model, weights, template)
    exif, xmp = _segments(_as_painted(request, pixels), model, template)
    options: dict[str, Any] = {"subsampling": "4:2:0"} if format == "jpeg" else {"method": 2}
    options |= {"quality": quality, "exif": exif, "xmp": xmp}
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format.upper(), **options)
    return buffer.getvalue()


def add_settings(jpeg: bytes, pixels: Pixels, request: GenerationRequest, model: str) -> bytes:
    """What `encode` makes of the pixels, byte for byte, without encoding them again.

    Args:
        jpeg: by `encode_jpeg`, of the same pixels.
    """
    exif, xmp = _segments(_as_painted(request, pixels), model)
    added = b"".join(
        b"\xff\xe1" + (2 + len(content)).to_bytes(2, "big") + content
        for content in (exif, XMP_IN_JPEG + xmp)
    )
    return jpeg[:JFIF_END] + added + jpeg[JFIF_END:]


def encode_png(
    pixels: Pixels,
    request: GenerationRequest,
    model: str,
    weights: Weights = OWN_WEIGHTS,
    template: str = "",
) -> bytes:
    """Encodes uint8 [height, width, 3] losslessly, with the settings that made it inside.

    Text chunks: `parameters` in the form that Stable Diffusion tools exchange, `generation`, the
    same as JSON, those by which ComfyUI opens the picture as a workflow, and XMP.
    """
    text = PngInfo()
    request = _as_painted(request, pixels)
    parameters = parameters_text(request, model)
    text.add_itxt("parameters", parameters)
    text.add_itxt("generation", settings_json(request, model, template))
    for name, value in workflow_texts(request, model, weights).items():
        text.add_text(name, value)
    text.add_itxt(XMP_IN_PNG, xmp_packet(_short_parameters(request, model), model))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text, compress_level=PNG_COMPRESSION)
    return buffer.getvalue()


def settings_json(request: GenerationRequest, model: str, template: str = "") -> str:
    """The request as JSON, with the model, and what that has read of it where other was typed; and
    the template that its prompt was made of, where that is another text and not longer than any.
    """
    said = {**request.as_dict(), **_resolved(request), "model": model}
    if template != request.prompt and 0 < len(template) <= MAX_TEMPLATE:
        said["template"] = template
    return json.dumps(said)


def parameters_text(request: GenerationRequest, model: str, *, others: bool = True) -> str:
    """The settings in the text form that AUTOMATIC1111's web UI introduced.

    Args:
        others: whether those are among them that few pictures have, with texts of their own.
    """
    lines = [request.painted_prompt]
    if negative := request.painted_negative_prompt:
        lines.append(f"Negative prompt: {negative}")
    lines.append(
        f"Steps: {request.num_inference_steps}, Sampler: Euler, Schedule type: SGM Uniform, "
        f"CFG scale: {request.guidance_scale:g}, Seed: {request.seed}, "
        f"Size: {request.width}x{request.height}, Model: {model}"
        f"{_others(request) if others else ''}"
    )
    return "\n".join(lines)


def _short_parameters(request: GenerationRequest, model: str) -> str:
    """The same, with a last line that leaves room for the prompts."""
    text = parameters_text(request, model)
    long = len(text) - text.rfind("\n") > MAX_LINE
    return parameters_text(request, model, others=False) if long else text


def _others(request: GenerationRequest) -> str:
    """The settings that few pictures have; for a style also what was typed, as it is restored."""
    others: dict[str, str] = {}
    if request.variation_strength:
        others["Variation seed"] = str(request.variation_seed)
        others["Variation seed strength"] = f"{request.variation_strength:g}"
    if request.morph_strength:
        others["Morph prompt"] = _quoted(request.morph_prompt)
        others["Morph strength"] = f"{request.morph_strength:g}"
    if request.style is not None:
        others["Style"] = _quoted(request.style.name)
        others["Prompt without style"] = _quoted(request.prompt)
        others["Negative prompt without style"] = _quoted(request.negative_prompt)
    return "".join(f", {name}: {value}" for name, value in others.items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _resolved(request: GenerationRequest) -> dict[str, str]:
    """What the model has read, where that is not what was typed."""
    if request.style is None:
        return {}
    return {
        "painted_prompt": request.painted_prompt,
        "painted_negative_prompt": request.painted_negative_prompt,
    }


def _segments(request: GenerationRequest, model: str, template: str = "") -> tuple[bytes, bytes]:
    """The settings as EXIF, and as XMP, which has them as JSON, too."""
    parameters = _short_parameters(request, model)
    settings = settings_json(request, model, template)
    if not has_room(settings):
        settings = settings_json(request, model)
    xmp = xmp_packet(parameters, model, settings)
    return _exif(parameters), xmp.encode()


def _exif(parameters: str) -> bytes:
    """The settings as EXIF; of what is too long, the end of the prompts is left out."""
    prompts, _, rest = parameters.rpartition("\n")
    settings = f"\n{rest}".encode("utf-16-be")
    words = prompts.encode("utf-16-be")[: COMMENT_BYTES - len(settings)]
    whole = words.decode("utf-16-be", "ignore").encode("utf-16-be")  # no half of a character
    exif = Image.Exif()
    # The EXIF standard's form of a comment in any script (2.32, table 9).
    comment = b"UNICODE\0" + whole + settings
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif.tobytes()


def _as_painted(request: GenerationRequest, pixels: Pixels) -> GenerationRequest:
    """The request with the size of its picture, which is not always the one asked for."""
    height, width = pixels.shape[:2]
    return replace(request, width=width, height=height)
