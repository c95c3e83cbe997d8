"""Several pictures as one that moves: GIF or animated WebP by Pillow, or a film in MP4."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

from PIL import Image, ImageOps

from ..errors import InvalidRequest
from ..xmp import SOURCE_TYPE, marking
from .mp4 import check_can_film, film

Format: TypeAlias = Literal["gif", "webp", "mp4"]
Picture: TypeAlias = "bytes | memoryview"  # as a file

MOST = 120  # pictures
# px of what is made: the page's pictures, of 512 or 1024 px, with their words below.
MAX_SIDES: dict[Format, int] = {"gif": 640, "webp": 640, "mp4": 1280}
MAX_BYTES = 2**26  # of a message: 120 pictures that are as hard to pack as any
MAX_PIXELS = 2**22  # of one picture that comes
EACH_MS = 200
LAST_MS = 2000  # the last one is looked at
MEDIA_TYPES = {"gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4"}
KINDS = ("JPEG", "PNG", "WEBP")  # that pictures may come in


def format_named(name: str) -> Format:
    """
    Raises:
        InvalidRequest: there is none of that name, or it cannot be made here.
    """
    for format in MAX_SIDES:
        if format == name:
            if format == "mp4":
                check_can_film()
            return format
    raise InvalidRequest("format: must be gif, webp or mp4.", field="format")


def unpack(data: bytes) -> list[memoryview]:
    """The pictures of a message, not copied: each after its length (4 bytes, big-endian).

    Raises:
        InvalidRequest: it is no such message, or has too many or no pictures.
    """
    pictures: list[memoryview] = []
    message = memoryview(data)
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise _wrong("is cut short")
        (length,) = struct.unpack_from(">I", data, at)
        at += 4
        if length > len(data) - at:
            raise _wrong("is cut short")
        pictures.append(message[at : at + length])
        at += length
        if len(pictures) > MOST:
            raise _wrong(f"has more than {MOST} pictures")
    if not pictures:
        raise _wrong("has no pictures")
    return pictures


def animate(pictures: Sequence[Picture], format: Format) -> bytes:
    """Encodes pictures one after the other, in the size of the last, marked as made by a model.

    Raises:
        InvalidRequest: one of them is damaged, or too large; or no MP4 can be made here.
    """
    side = MAX_SIDES[format]
    size = _open(pictures[-1], len(pictures), side).size
    if format == "mp4":
        even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        return film(_frames(pictures, even, side), even, EACH_MS, LAST_MS)
    first, *others = _frames(pictures, size, side)
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


def _frames(pictures: Sequence[Picture], size: tuple[int, int], side: int) -> Iterator[Image.Image]:
    """Each picture as large as fits, on white where it has another shape."""
    for number, data in enumerate(pictures, 1):
        picture = _open(data, number, side)
        if picture.size == size:
            yield picture
            continue
        try:
            yield ImageOps.pad(picture, size, color="white")
        except ValueError:  # not a pixel of its width or height would be left
            raise _wrong(
                f"has a picture {number} that is too thin for the shape of the last"
            ) from None


def _open(data: Picture, number: int, side: int) -> Image.Image:
    """A picture in RGB, at most `side` px wide and high."""
    try:
        with Image.open(io.BytesIO(data), formats=KINDS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _wrong(f"has more than {MAX_PIXELS:,} pixels in picture {number}")
            image.draft("RGB", (side, side))
            picture = image.convert("RGB")
    except InvalidRequest:
        raise
    except Exception:  # Pillow raises whatever its parsers stumble over
        raise _wrong(f"has no JPEG, PNG or WebP at picture {number}") from None
    picture.thumbnail((side, side))
    return picture


def _wrong(words: str) -> InvalidRequest:
    return InvalidRequest(f"pictures: the message {words}.", field="pictures")
