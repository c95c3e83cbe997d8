"""The settings inside a picture: ours, AUTOMATIC1111's or Fooocus' text, or ComfyUI's graph.

A picture of a stranger is looked at without decoding it: its header and its texts, within bounds.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import asdict, dataclass
from typing import Any

from PIL import ExifTags, Image

from ..errors import InvalidRequest
from ..images import XMP_IN_PNG
from ..schemas import GenerationRequest
from ..xmp import settings_in
from .a1111_parameters import as_parameters, parameter_fields, parse_parameters
from .comfyui_graph import GraphSettings, read_graph
from .fooocus_parameters import read_fooocus

MAX_PIXELS = 2**26
MAX_CHARACTERS = 2**20  # of all texts inside

FORMATS = ("PNG", "JPEG", "WEBP")
# Tags in which ComfyUI's nodes for WebP put their two texts, each after its name and a colon.
COMFYUI_TAGS = (ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model)
COMFYUI_TEXTS = ("prompt", "workflow")


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a picture says of itself."""

    parameters: str  # as AUTOMATIC1111 writes them; empty where it says nothing
    items: dict[str, str]  # its other texts
    graph: GraphSettings | None = None  # where only that, or Fooocus, says how it was made


def decode_picture(text: str, field: str) -> bytes:
    """The bytes of a picture that was sent as base64, also as a data URI.

    Raises:
        InvalidRequest: it is none; addresses are not fetched.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise InvalidRequest(f"{field}: must be a picture as base64.", field=field) from None


def read_info(data: bytes, field: str) -> PictureInfo:
    """The texts inside a PNG, JPEG or WebP; of a ComfyUI graph, what it says in the other form.

    Raises:
        InvalidRequest: it is no such file, or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            size = image.size
            texts = {str(k): v for k, v in image.info.items() if isinstance(v, str)}
            texts.pop(XMP_IN_PNG, None)  # says nothing more
            texts = _comfyui_texts(image) | texts
            texts |= _ours(image) if "generation" not in texts else {}
            comment = _comment(image)
    except Exception:  # Pillow raises whatever its parsers stumble over
        raise InvalidRequest(
            f"{field}: must be a PNG, JPEG or WebP file that is not damaged.", field=field
        ) from None
    if size[0] * size[1] > MAX_PIXELS or sum(map(len, texts.values())) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"{field}: may have {MAX_PIXELS:,} pixels and {MAX_CHARACTERS:,} characters of text.",
            field=field,
        )
    parameters = texts.pop("parameters", comment)
    graph = read_fooocus(parameters) if parameters else read_graph(texts.get("prompt", ""))
    return PictureInfo(as_parameters(graph, size) if graph else parameters, texts, graph)


def request_fields(info: PictureInfo) -> dict[str, Any]:
    """The settings by the names of `GenerationRequest`'s fields, as far as they are said.

    They are as the picture has them, and not yet what a model here can be asked for.
    """
    names = GenerationRequest.__dataclass_fields__
    if ours := _object(info.items.get("generation", "")):
        found = ours
    elif info.graph:
        found = asdict(info.graph)
    else:
        found = parameter_fields(parse_parameters(info.parameters)) if info.parameters else {}
    return {name: found[name] for name in names if found.get(name) not in (None, "")}


def template_of(info: PictureInfo) -> str:
    """The template that the prompt of a picture of ours was made of; empty where there is none."""
    template = (_object(info.items.get("generation", "")) or {}).get("template")
    return template if isinstance(template, str) else ""


def _comment(image: Image.Image) -> str:
    """The comment of a JPEG (EXIF 2.32, table 9), where tools put the same text."""
    exif = image.getexif()
    if isinstance(theirs := exif.get(ExifTags.Base.UserComment), str):  # Fooocus', one folder above
        return theirs
    value: Any = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    if not isinstance(value, bytes):
        return ""
    kind, rest = value[:8], value[8:]
    return rest.decode("utf-16-be" if kind == b"UNICODE\0" else "ascii", "replace")


def _comfyui_texts(image: Image.Image) -> dict[str, str]:
    """ComfyUI's texts in a WebP or JPEG by name."""
    exif = image.getexif()
    said = (str(exif.get(tag, "")).partition(":") for tag in COMFYUI_TAGS)
    return {name.lower(): text for name, _, text in said if name.lower() in COMFYUI_TEXTS}


def _ours(image: Image.Image) -> dict[str, str]:
    """Our settings in a JPEG or WebP, whose XMP holds them."""
    packet = image.info.get("xmp")
    settings = settings_in(packet) if isinstance(packet, bytes) else ""
    return {"generation": settings} if settings else {}


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
