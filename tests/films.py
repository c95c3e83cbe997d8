"""Films in MP4 as PyAV decodes them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
from PIL import Image


def decoded(film: bytes) -> Iterator[tuple[int, Image.Image]]:
    """Each frame with the time from which it is shown, in ms."""
    with av.open(io.BytesIO(film)) as container:
        for frame in container.decode(video=0):
            assert frame.format.name == "yuv420p"
            yield round(frame.time * 1000), _in_colour(frame.to_ndarray(), frame.width)


def _in_colour(planes: np.ndarray, width: int) -> Image.Image:
    """RGB of 4:2:0 in limited range by BT.709; PyAV's own conversion is another in each version.

    Args:
        planes: Y above U above V, as many bytes in a line as the picture is wide.
    """
    height = len(planes) * 2 // 3
    colours = planes[height:].reshape(2, height // 2, width // 2).repeat(2, 1).repeat(2, 2)
    y = (planes[:height] - 16.0) / 219
    u, v = (colours - 128.0) / 224
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    rgb = np.stack([red, green, blue], axis=-1) * 255
    return Image.fromarray(rgb.round().clip(0, 255).astype(np.uint8))
