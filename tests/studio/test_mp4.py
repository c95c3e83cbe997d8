"""Films in MP4, as another program reads them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from lightning_demo.errors import InvalidRequest
from lightning_demo.studio.animation import EACH_MS, LAST_MS, MAX_SIDES, animate, unpack
from lightning_demo.studio.mp4 import XMP_BOX
from lightning_demo.xmp import SOURCE_TYPE

from ..films import decoded
from .test_animation import COLOURS, packed, picture


def boxes(film: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(film):
        length = int.from_bytes(film[at : at + 4], "big")
        yield film[at + 4 : at + 8].decode(), film[at + 8 : at + length]
        at += length


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean of all channels' distances."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_every_picture_is_shown_for_its_time():
    slope = Image.linear_gradient("L").resize((64, 48))
    pictures = [
        Image.merge("RGB", (slope, Image.new("L", slope.size, level), slope))
        for level in (0, 90, 180, 250)
    ]
    film = animate(unpack(packed(*map(as_png, pictures))), "mp4")
    frames = list(decoded(film))
    assert [at for at, _ in frames] == list(range(0, 3 * EACH_MS + LAST_MS, EACH_MS))
    with av.open(io.BytesIO(film)) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base * 1000 == 3 * EACH_MS + LAST_MS
        assert stream.codec_context.name == "h264"
        assert container.metadata["comment"] == SOURCE_TYPE
    shown = [pictures[min(number, 3)] for number in range(len(frames))]
    for (_, frame), original in zip(frames, shown, strict=True):
        assert frame.size == (64, 48)
        assert difference(frame, original) < 4


def test_its_index_comes_first_and_its_marking_in_a_box_of_its_own():
    found = list(boxes(animate([picture(COLOURS[0])], "mp4")))
    names = [name for name, _ in found]
    assert names.index("moov") < names.index("mdat")
    name, content = found[-1]
    assert (name, content[:16]) == ("uuid", XMP_BOX)
    assert SOURCE_TYPE.encode() in content


def test_exiftool_reads_the_marking(tmp_path: Path):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    file = tmp_path / "film.mp4"
    file.write_bytes(animate([picture(COLOURS[0])], "mp4"))
    command = ["exiftool", "-j", "-XMP:all", "-Comment", str(file)]
    (said,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603
    assert said["DigitalSourceType"] == said["Comment"] == SOURCE_TYPE
    assert said["CreatorTool"] == "Lightning"


@pytest.mark.parametrize(
    ("size", "made"),
    [((63, 47), (64, 48)), ((1, 1), (2, 2)), ((2048, 1023), (1280, 640)), ((1024, 1178),) * 2],
)
def test_sizes_are_even_and_bounded(size: tuple[int, int], made: tuple[int, int]):
    pictures = [picture(COLOURS[0], (30, 60)), picture(COLOURS[1], size, "JPEG")]
    (*_, (_, last)) = decoded(animate(pictures, "mp4"))
    assert last.size == made
    assert max(made) <= MAX_SIDES["mp4"]
    assert difference(last, Image.new("RGB", made, COLOURS[1])) < 4


def test_a_damaged_picture_is_named():
    pictures = [picture(COLOURS[0]), picture(COLOURS[1])[:60], picture(COLOURS[2])]
    with pytest.raises(InvalidRequest, match="no JPEG, PNG or WebP at picture 2"):
        animate(pictures, "mp4")


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
