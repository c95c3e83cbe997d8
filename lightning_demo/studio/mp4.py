"""Pictures as a film in MP4: H.264 by PyAV, which holds FFmpeg and x264."""

from __future__ import annotations

import itertools
import struct
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ..errors import InvalidRequest
from ..xmp import SOURCE_TYPE, marking

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

# Less than half of the time of x264's own preset, and no larger a file.
OPTIONS = {"preset": "veryfast", "crf": "20"}
THREADS = 1  # a film takes seconds, and meanwhile somebody types
KEY_FRAME = 10  # frames from one that can be jumped to to the next
BT709 = 1  # by ITU-T H.273, as primaries, transfer and matrix: what players take for granted
LIMITED_RANGE = 1  # 16 to 235, likewise
# The box of XMP in MP4 (XMP specification, part 3, 1.2.7).
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def can_film() -> bool:
    """Whether PyAV is installed; that is looked up without loading it."""
    return find_spec("av") is not None


def check_can_film() -> None:
    """Loads PyAV.

    Raises:
        InvalidRequest: it is not here, or does not work on this system.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise InvalidRequest(
            "format: this server makes no MP4, for PyAV is not installed (pip install av).",
            field="format",
        ) from None


def film(frames: Iterable[Image.Image], size: tuple[int, int], each_ms: int, last_ms: int) -> bytes:
    """Encodes pictures as they come, one in memory at a time.

    The rate is constant, for players agree on no other: the last picture is shown by frames that
    repeat it.

    Args:
        frames: RGB, at least one, all of `size`, in px.
        each_ms: how long a picture is shown.
        last_ms: how long the last one is; a multiple of `each_ms`.

    Raises:
        InvalidRequest: PyAV is not here.
    """
    check_can_film()
    import av

    width, height = (side + side % 2 for side in size)  # H.264 halves the colours' resolution
    with tempfile.TemporaryDirectory(prefix="lightning-film-") as folder:
        file = Path(folder, "film.mp4")
        # Its index comes first, so that it plays while it is loaded.
        with av.open(str(file), "w", options={"movflags": "+faststart"}) as container:
            container.metadata["comment"] = SOURCE_TYPE
            stream = container.add_stream("libx264", rate=1000 // each_ms, options=OPTIONS)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            _set(stream.codec_context)
            repeated = last_ms // each_ms - 1
            for at, picture in enumerate(itertools.chain(frames, itertools.repeat(None, repeated))):
                if picture is not None:
                    frame = av.VideoFrame.from_image(picture).reformat(
                        width, height, format="yuv420p", dst_colorspace="ITU709"
                    )
                frame.pts = at
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return file.read_bytes() + _marking_box()


def _set(codec: VideoCodecContext) -> None:
    codec.thread_count = THREADS
    codec.gop_size = KEY_FRAME
    codec.max_b_frames = 0  # frames leave in the order in which they are shown
    codec.color_primaries = codec.color_trc = codec.colorspace = BT709
    codec.color_range = LIMITED_RANGE


def _marking_box() -> bytes:
    """That a model has made what is in the film, where tools look for XMP; behind all else."""
    packet = marking().encode()
    return struct.pack(">I4s", 24 + len(packet), b"uuid") + XMP_BOX + packet
