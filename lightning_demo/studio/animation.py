"""Several pictures as one that moves: GIF or animated WebP, by Pillow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

from PIL import Image, ImageOps

from ..errors import InvalidRequest
from ..xmp import SOURCE_TYPE, marking

Format: TypeAlias = Literal["gif", "webp"]

MOST = 120  # pictures
MAX_SIDE = 512  # px of what is made
MAX_PIXELS = 2**22  # of one picture that comes
EACH_MS = 200
LAST_MS = 2000  # the last one is looked at
FORMATS: dict[str, Format] = {"gif": "gif", "webp": "webp"}  # by the names that people ask by
KINDS = ("JPEG", "PNG", "WEBP")  # that pictures may come in


def unpack(data: bytes) -> list[bytes]:
    """The pictures of a message: each after its length (4 bytes, big-endian).

    Raises:
        InvalidRequest: it is no such message, or has too many or no pictures.
    """
    pictures: list[bytes] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise _wrong("is cut short")
        (length,) = struct.unpack_from(">I", data, at)
        at += 4
        if length > len(data) - at:
            raise _wrong("is cut short")
        pictures.append(data[at : at + length])
        at += length
        if len(pictures) > MOST:
            raise _wrong(f"has more than {MOST} pictures")
    if not pictures:
        raise _wrong("has no pictures")
    return pictures


def animate(pictures: Sequence[bytes], format: Format) -> bytes:
    """Encodes pictures one after the other, in the size of the last, marked as made by a model.

    Raises:
        InvalidRequest: one of them is damaged, or too large.
    """
    size = _open(pictures[-1], len(pictures)).size
    first, *others = _frames(pictures, size)
    durations = [EACH_MS] * len(others) + [LAST_MS]
    options: dict[str, Any] = {"optimize": False, "comment": SOURCE_TYPE.encode()}
    if format == "webp":
        options = {"method": 2, "quality": 80, "xmp": marking().encode()}
    buffer = io.BytesIO()
    first.save(
        buffer,
        format.upper(),
        save_all=True,
        append_images=others,
        duration=durations,
        loop=0,
        **options,
    )
    return buffer.getvalue()


def _frames(pictures: Sequence[bytes], size: tuple[int, int]) -> Iterator[Image.Image]:
    """Each picture as large as fits, on white where it has another shape."""
    for number, data in enumerate(pictures, 1):
        picture = _open(data, number)
        yield picture if picture.size == size else ImageOps.pad(picture, size, color="white")


def _open(data: bytes, number: int) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=KINDS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _wrong(f"has more than {MAX_PIXELS:,} pixels in picture {number}")
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))
            picture = image.convert("RGB")
    except InvalidRequest:
        raise
    except Exception:  # Pillow raises whatever its parsers stumble over
        raise _wrong(f"has no JPEG, PNG or WebP at picture {number}") from None
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return picture


def _wrong(words: str) -> InvalidRequest:
    return InvalidRequest(f"pictures: the message {words}.", field="pictures")
