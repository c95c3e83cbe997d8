"""Several pictures as one that moves."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from lightning_demo.errors import InvalidRequest
from lightning_demo.studio import animation
from lightning_demo.studio.animation import EACH_MS, LAST_MS, MOST, Format, animate, unpack

COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200))


def picture(
    colour: tuple[int, int, int], size: tuple[int, int] = (64, 48), kind: str = "PNG"
) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def packed(*pictures: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(each)) + each for each in pictures)


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_the_pictures_come_one_after_the_other(format: Format):
    pictures = unpack(packed(*(picture(colour) for colour in COLOURS)))
    with Image.open(io.BytesIO(animate(pictures, format))) as film:
        assert (film.format, film.size, film.n_frames) == (format.upper(), (64, 48), 3)
        durations = []
        for number, colour in enumerate(COLOURS):
            film.seek(number)
            found = film.convert("RGB").getpixel((32, 24))
            assert all(abs(a - b) < 12 for a, b in zip(found, colour, strict=True))
            durations.append(film.info["duration"])
        assert durations == [EACH_MS, EACH_MS, LAST_MS]
        assert film.info["loop"] == 0
        said = film.info["comment"] if format == "gif" else film.info["xmp"]
        assert b"digitalsourcetype/trainedAlgorithmicMedia" in said


def test_other_shapes_are_fitted_in_and_large_ones_made_smaller():
    pictures = [picture(COLOURS[0], (48, 64)), picture(COLOURS[1], (2048, 1024), "JPEG")]
    with Image.open(io.BytesIO(animate(pictures, "webp"))) as film:
        assert film.size == (640, 320)
        assert film.convert("RGB").getpixel((10, 160)) == (255, 255, 255)
    with Image.open(io.BytesIO(animate([picture(COLOURS[0])], "gif"))) as film:
        assert film.n_frames == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "has no pictures"),
        (b"\0\0", "is cut short"),
        (b"\xff\xff\xff\xffab", "is cut short"),
        (packed(*[b"x"] * (MOST + 1)), f"has more than {MOST} pictures"),
    ],
)
def test_messages_that_are_none(data: bytes, words: str):
    with pytest.raises(InvalidRequest, match=f"^pictures: .*{words}"):
        unpack(data)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", picture(COLOURS[0], kind="BMP"), picture(COLOURS[0])[:60]]
)
def test_pictures_that_are_none(data: bytes):
    with pytest.raises(InvalidRequest, match="has no JPEG, PNG or WebP at picture 1"):
        animate([data, picture(COLOURS[0])], "gif")


@pytest.mark.parametrize("format", ["gif", "webp", "mp4"])
def test_a_picture_of_which_nothing_would_be_left(format: Format):
    with pytest.raises(InvalidRequest, match="^pictures: .* picture 1 that is too thin"):
        animate([picture(COLOURS[0], (640, 4)), picture(COLOURS[1], (1, 1000))], format)


def test_a_bomb(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(animation, "MAX_PIXELS", 100)
    with pytest.raises(InvalidRequest, match="more than 100 pixels in picture 1"):
        animate([picture(COLOURS[0])], "gif")
