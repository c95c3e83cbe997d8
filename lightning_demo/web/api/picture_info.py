"""The settings inside a picture, in the text form that AUTOMATIC1111's web UI introduced.

A picture of a stranger is looked at without decoding it: its header and its texts, within bounds.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from ...errors import InvalidRequest

MAX_PIXELS = 2**26
MAX_CHARACTERS = 2**20  # of all texts inside

# `Steps: 4, Lora hashes: "a: 1, b: 2", Size: 512x512`
_SETTING = re.compile(r'(\w[\w \-/]{0,60}): ("(?:\\.|[^\\"])*"|[^,]*)')


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a picture says of itself."""

    parameters: str  # empty where it says nothing
    items: dict[str, str]  # its other texts


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
    """The texts inside a PNG or JPEG.

    Raises:
        InvalidRequest: it is no such file, or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            size = image.size
            texts = {str(k): v for k, v in image.info.items() if isinstance(v, str)}
            comment = _comment(image)
    except Exception:  # Pillow raises whatever its parsers stumble over
        raise InvalidRequest(
            f"{field}: must be a PNG or JPEG file that is not damaged.", field=field
        ) from None
    if size[0] * size[1] > MAX_PIXELS or sum(map(len, texts.values())) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"{field}: may have {MAX_PIXELS:,} pixels and {MAX_CHARACTERS:,} characters of text.",
            field=field,
        )
    return PictureInfo(texts.pop("parameters", comment), texts)


def parse_parameters(text: str) -> dict[str, str]:
    """The settings by name, as the web UI names them; the size also as Size-1 and Size-2."""
    *lines, last = text.strip().split("\n")
    settings = _SETTING.findall(last)
    if len(settings) < 3:  # a prompt with a colon in it
        lines, settings = [*lines, last], []
    prompt, _, negative = "\n".join(lines).partition("Negative prompt:")
    found = {"Prompt": prompt.strip(), "Negative prompt": negative.strip()}
    found.update((name.strip(), value.strip().strip('"')) for name, value in settings)
    width, times, height = found.get("Size", "").partition("x")
    if times:
        found.update({"Size-1": width, "Size-2": height})
    return found


def _comment(image: Image.Image) -> str:
    """The comment of a JPEG (EXIF 2.32, table 9), where tools put the same text."""
    value: Any = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    if not isinstance(value, bytes):
        return ""
    kind, rest = value[:8], value[8:]
    return rest.decode("utf-16-be" if kind == b"UNICODE\0" else "ascii", "replace")
