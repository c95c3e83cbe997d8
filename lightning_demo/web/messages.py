"""What page and server say to each other, whichever way the messages travel.

A client sends JSON text: `{"sequence": n, "request": {…}}`, `{"pause": true}`, `{"seen": n}` or
`{"watch": true}`; a request may bring a latency budget in milliseconds, `"budget": n`, which holds
from then on, and guesses at what will be asked next, `"ahead": [{…}, …]`, each with the fields in
which it differs; `"attract": true` says that nobody asks, the page plays by itself. A presenter's
page sends `{"sequence": n, "present": {…}}` (`stage/desk.py`). The server answers with JSON text
(`status`, `line`, `error`, `load`, `wall`) and with frames.
Knows no transport.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import InvalidRequest, LightningError
from ..schemas import EngineStatus, Frame, parse_latency_budget

MAX_MESSAGE_BYTES = 2**20  # two prompts of 100,000 characters of four bytes each fit
MAX_SEQUENCE = 2**53 - 1  # the largest whole number that JavaScript counts exactly
MAX_DEPTH = 64  # of lists and objects within each other
MAX_LABEL_CHARACTERS = 1_000  # of the prompt that travels with each frame as its caption

TOO_LARGE = "Numbers must be below 1.8e308."  # beyond which Python's floats are infinite
TOO_DEEP = f"At most {MAX_DEPTH} lists and objects may stand within each other."
DRAINING = "The demo is being restarted; the page comes back by itself."

Message = dict[str, Any]

MAX_GUESSES = 4

_FIELDS = {"sequence", "request", "budget", "ahead", "pause", "seen", "watch", "present", "attract"}


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """One message of a page, its shape checked; the request's fields are not checked yet."""

    sequence: int = 0
    fields: Mapping[str, Any] | None = None  # of the request; None: not a request
    budget: float | None = None  # ms that come with a request; None: as before
    ahead: tuple[Mapping[str, Any], ...] = ()  # of each guess, the fields in which it differs
    attract: bool = False  # whether nobody asks: the page plays by itself
    pause: bool = False
    seen: int | None = None  # frames received so far by a page that acknowledges them
    watch: bool | None = None  # whether the page wants to be told how much there is to do
    present: Mapping[str, Any] | None = None  # what the page wants of its wall, not checked yet
    problem: InvalidRequest | None = None  # what a message must look like, when this is none

    @property
    def kind(self) -> str:
        """Only the newest message of a kind counts: a pause, as a "request", replaces a request."""
        if self.problem is not None:
            return "problem"
        if self.seen is not None:
            return "seen"
        if self.present is not None:
            return "present"
        return "request" if self.watch is None else "watch"


def parse(text: str | bytes) -> ClientMessage:
    """Reads an untrusted message; a malformed one has a `problem`, and its sequence if any."""
    sequence = 0
    try:
        content = _load(text)
        if "sequence" in content:
            sequence = _count("sequence", content["sequence"])
        return _parse(content)
    except InvalidRequest as problem:
        return ClientMessage(sequence, problem=problem)


def _load(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_MESSAGE_BYTES:
        raise InvalidRequest(f"message: at most {MAX_MESSAGE_BYTES:,} bytes are allowed.")
    try:
        content = load_json(text)
    except ValueError:
        raise InvalidRequest("message: must be JSON.") from None
    if not isinstance(content, dict):
        raise InvalidRequest("message: must be a JSON object.")
    return content


def _parse(content: Mapping[str, Any]) -> ClientMessage:
    if not content.keys() <= _FIELDS:
        raise InvalidRequest(f"message: its fields are {', '.join(sorted(_FIELDS))}.")
    if content.get("pause") is True:
        return ClientMessage(pause=True)
    if "seen" in content:
        return ClientMessage(seen=_count("seen", content["seen"]))
    if "watch" in content:
        if not isinstance(content["watch"], bool):
            raise InvalidRequest("watch: must be true or false.", field="watch")
        return ClientMessage(watch=content["watch"])
    if "present" in content:
        if not isinstance(content["present"], dict):
            raise InvalidRequest("present: must be an object with named fields.", field="present")
        sequence = _count("sequence", content.get("sequence"))
        return ClientMessage(sequence, present=content["present"])
    if not isinstance(content.get("request"), dict):
        raise InvalidRequest("request: must be an object with named fields.", field="request")
    budget, attract = content.get("budget"), content.get("attract", False)
    if not isinstance(attract, bool):
        raise InvalidRequest("attract: must be true or false.", field="attract")
    return ClientMessage(
        _count("sequence", content.get("sequence")),
        content["request"],
        None if budget is None else parse_latency_budget(budget),
        _guesses(content.get("ahead", [])),
        attract,
    )


def load_json(text: str | bytes) -> Any:
    """Untrusted JSON as Python's values.

    A text in it may hold half a character, as browsers send it; the field says what becomes of it.

    Raises:
        ValueError: it is no JSON.
        InvalidRequest: it is nested too deeply, or a number is none that JSON could tell again.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise InvalidRequest(TOO_DEEP) from None
    if _is_deep(content):
        raise InvalidRequest(TOO_DEEP)
    return content


def status(engine: EngineStatus, *, draining: bool) -> dict[str, Any]:
    """The engine's state as a message."""
    about = asdict(engine)
    # Pages need neither the server's files, which only saved pictures name, nor who gives way.
    del about["weights"], about["yielding"], about["fingerprint"], about["own_state"]
    del about["limits"]["styles"]  # a page has them from the start
    return {"type": "status", **about, "draining": draining}


def load(summary: Mapping[str, Any], engines: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """How much there is to do (`Metrics.summary`) as a message.

    Args:
        engines: how each of several is doing (`Metrics.engine_rows`).
    """
    return {"type": "load", **summary, "engines": list(engines)}


def error(sequence: int, problem: LightningError) -> dict[str, Any]:
    """Why there is no picture for `sequence`, in words for the visitor."""
    return {
        "type": "error",
        "sequence": sequence,
        "field": problem.field,
        "message": problem.message,
    }


def line(
    what: Literal["seat", "picture"] | None, ahead: int = 0, seconds: float | None = None
) -> dict[str, Any]:
    """How many are served before this page, and for about how long; None: it does not wait.

    Args:
        what: what it waits for.
        seconds: None where no honest estimate is possible. What is sent is rounded up, more
            coarsely the longer it is, so that there is time to read it before it changes.
    """
    return {"type": "line", "what": what, "ahead": ahead, "seconds": _rounded(seconds)}


def frame_header(sequence: int, frame: Frame, budget: float | None = None) -> dict[str, Any]:
    """All that is known of a frame but its picture; `budget`: as in `LiveEvent`."""
    request = frame.request
    width, height = frame.size
    return {
        "type": "frame",
        "sequence": sequence,
        "step": frame.step,
        "num_inference_steps": request.num_inference_steps,
        "final": frame.final,
        "seed": request.seed,
        "width": width,
        "height": height,
        "timings": dict(frame.timings),
        "notes": list(frame.notes),
        "cached": frame.cached,
        "model": frame.model,
        "media_type": frame.media_type,
        "prompt": request.prompt[:MAX_LABEL_CHARACTERS],
        "draft": None if budget is None else {"budget": budget, "decoder": "preview"},
    }


def frame_bytes(sequence: int, frame: Frame, budget: float | None = None) -> bytes:
    """A frame for the socket: header length (4 bytes, big-endian), header JSON, picture."""
    return pack(frame_header(sequence, frame, budget), frame.data)


def pack(header: Mapping[str, Any], data: bytes) -> bytes:
    """A header and its picture as they travel together."""
    text = json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + data


def split_frame(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the picture of `frame_bytes`, for clients written in Python."""
    (length,) = struct.unpack_from(">I", data)
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def frame_text(sequence: int, frame: Frame, budget: float | None = None) -> str:
    """A frame as JSON with the picture as a data URI, for ways that carry only text."""
    picture = base64.b64encode(frame.data).decode()
    header = frame_header(sequence, frame, budget)
    return json.dumps({**header, "picture": f"data:{frame.media_type};base64,{picture}"})


def _guesses(value: Any) -> tuple[Mapping[str, Any], ...]:
    fits = isinstance(value, list) and len(value) <= MAX_GUESSES
    if not fits or not all(isinstance(each, dict) for each in value):
        raise InvalidRequest(
            f"ahead: must be a list of at most {MAX_GUESSES} objects with named fields.",
            field="ahead",
        )
    return tuple(value)


def _rounded(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    unit = 1 if seconds <= 10 else 5 if seconds <= 60 else 60
    return max(1, math.ceil(seconds / unit)) * unit


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQUENCE:
        raise InvalidRequest(
            f"{name}: must be a whole number from 0 to {MAX_SEQUENCE}.", field=name
        )
    return value


def _is_deep(content: Any) -> bool:
    """Level by level: what walks into it by calling itself would end as what is refused here."""
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH + 1):
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return False
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return True


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidRequest(TOO_LARGE)
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON
