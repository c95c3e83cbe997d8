"""How values travel from one server of this demo to another.

As records: the length of a header (4 bytes, big-endian), the header as JSON with the lengths of its
parts, and the parts: an encoded picture, and of a finished one its pixels, too. Both ends use this
file and are of the same version; knows no HTTP.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from ..errors import (
    EngineUnavailable,
    GenerationFailed,
    InvalidRequest,
    LightningError,
    OutOfMemory,
    RateLimited,
)
from ..images import Pixels, decode
from ..schemas import Frame, GenerationRequest, Safety
from .base import Forecast

MAX_RECORD = 2**26  # bytes; raw pixels of 2048 px are 12 MB
MAX_PARTS = 2
LAST = ("refused", "error", "unfinished")  # kinds after which nothing follows
ERRORS = {
    kind.__name__: kind for kind in (InvalidRequest, GenerationFailed, OutOfMemory, RateLimited)
}


def pack(kind: str, header: Mapping[str, Any] | None = None, *parts: bytes) -> bytes:
    """One record."""
    content = {"kind": kind, **(header or {}), "parts": [len(part) for part in parts]}
    text = json.dumps(content).encode()
    return struct.pack(">I", len(text)) + text + b"".join(parts)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it has arrived."""

    kind: str
    header: Mapping[str, Any]
    parts: tuple[bytes, ...] = ()

    @property
    def name(self) -> str:
        """Of the work that it is about."""
        return str(self.header.get("name"))

    @property
    def is_last(self) -> bool:
        """Whether nothing follows about the same work."""
        return self.kind in LAST or (self.kind == "frame" and self.header.get("final") is True)


def unpack(data: bytes | str) -> Record:
    """
    Raises:
        ValueError: this is no record.
    """
    if isinstance(data, str) or len(data) < 4:
        raise ValueError("this is no record")
    (length,) = struct.unpack_from(">I", data)
    header = _json(data[4 : 4 + length])
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise ValueError("a header is none")
    lengths = header.get("parts")
    if not isinstance(lengths, list) or len(lengths) > MAX_PARTS:
        raise ValueError("a header has no parts")
    if not all(isinstance(size, int) and size >= 0 for size in lengths):
        raise ValueError("a part has no length")
    parts, at = [], 4 + length
    for size in lengths:
        parts.append(data[at : at + size])
        at += size
    if at != len(data):
        raise ValueError("a record is not as long as it says")
    return Record(header["kind"], header, tuple(parts))


def frame_header(frame: Frame) -> dict[str, Any]:
    """All that is known of a frame but its request, which is known, and its pictures."""
    return {
        "step": frame.step,
        "final": frame.final,
        "media_type": frame.media_type,
        "timings": dict(frame.timings),
        "notes": list(frame.notes),
        "cached": frame.cached,
        "model": frame.model,
        "safety": frame.safety,
        "dimensions": frame.size,
    }


def parse_frame(record: Record, request: GenerationRequest, *, raw: bool = False) -> Frame:
    """A frame of `request`; decodes a picture, which takes its time, unless its pixels are raw.

    Args:
        raw: whether pixels come as they are; previews then have none.

    Raises:
        ValueError: it is none.
    """
    header = record.header
    try:
        timings, notes = dict(header["timings"]), tuple(map(str, header["notes"]))
        width, height = map(int, header["dimensions"])
        pixels: Pixels | None
        if not raw:
            pixels = decode(record.parts[-1])  # the lossless one, where there are two
        elif len(record.parts) > 1:
            pixels = np.frombuffer(record.parts[1], np.uint8).reshape(height, width, 3)
        else:
            pixels = None
        return Frame(
            request,
            record.parts[0],
            str(header["media_type"]),
            int(header["step"]),
            bool(header["final"]),
            pixels,
            {str(stage): float(ms) for stage, ms in timings.items()},
            notes,
            cached=bool(header["cached"]),
            model=str(header["model"]),
            safety=one_of(header["safety"], get_args(Safety)),
            dimensions=(width, height) if pixels is None else None,
        )
    except (KeyError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"no frame ({error})") from None


def forecast_header(forecast: Forecast | None) -> dict[str, Any]:
    """What work has to expect; nulls where that is not known."""
    if forecast is None:
        return {"ahead": None, "wait": None, "work": None}
    return asdict(forecast)


def parse_forecast(header: Mapping[str, Any]) -> Forecast | None:
    """The same, as it has arrived; None also where it makes no sense."""
    ahead, wait, work = (header.get(name) for name in ("ahead", "wait", "work"))
    if not isinstance(ahead, int) or not is_number(wait) or not is_number(work):
        return None
    return Forecast(max(0, ahead), float(wait or 0), float(work or 0))


def error_header(error: LightningError) -> dict[str, Any]:
    """Why there is no picture."""
    return {"error": type(error).__name__, "detail": error.message, "field": error.field}


def parse_error(header: Mapping[str, Any]) -> LightningError:
    """The same; what another engine might do all the same is `EngineUnavailable`."""
    kind = ERRORS.get(str(header.get("error")), EngineUnavailable)
    field = header.get("field")
    return kind(str(header.get("detail")), field=None if field is None else str(field))


def refusal_header(error: LightningError) -> dict[str, Any]:
    """Why work is not taken, as HTTP would answer."""
    return {"status": error.status, "detail": error.message, "field": error.field}


def parse_refusal(header: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """The same: a code of HTTP, and what is answered.

    Raises:
        ValueError: there is no code.
    """
    if not isinstance(header.get("status"), int):
        raise ValueError("a refusal says no status")
    return header["status"], header


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("a header is nested too deeply") from None


def one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"{value!r} is none of {choices}")
    return value


def is_number(value: Any, most: float = sys.float_info.max) -> bool:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return good and 0 <= value <= most  # which NaN is not
