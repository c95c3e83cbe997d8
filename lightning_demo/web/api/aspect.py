"""Sizes as clients write them: shapes, pairs of pixels, names."""

from __future__ import annotations

import math
import re

from ...errors import InvalidRequest

AREA = 1024 * 1024  # px that SDXL paints; a shape alone says nothing of the size


def parse_aspect_ratio(text: str) -> tuple[int, int]:
    """Width and height of about a megapixel, from e.g. "16:9".

    Raises:
        InvalidRequest: it is no such text.
    """
    found = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", text)
    if not found:
        raise InvalidRequest(
            "aspect_ratio: must be width:height, such as 16:9.", field="aspect_ratio"
        )
    ratio = int(found[1]) / int(found[2])
    return max(1, round(math.sqrt(AREA * ratio))), max(1, round(math.sqrt(AREA / ratio)))


def parse_resolution(text: str, name: str = "resolution") -> tuple[int, int]:
    """Width and height from e.g. "1024x768".

    Raises:
        InvalidRequest: it is no such text.
    """
    found = re.fullmatch(r"([1-9]\d{0,3})\s*[xX×*]\s*([1-9]\d{0,3})", text.strip())
    if not found:
        raise InvalidRequest(f"{name}: must be WIDTHxHEIGHT, such as 1024x1024.", field=name)
    return int(found[1]), int(found[2])


def of_sides(width: int | None, height: int | None) -> tuple[int, int] | None:
    """Width and height where at least one of them is given; a square where only one is."""
    if width is None or height is None:
        side = height if width is None else width
        return None if side is None else (side, side)
    return width, height
