"""Programs that ask a server for pictures over HTTP, our API and a plain peer alike.

They speak through the standard library, which takes the least of the machine that server and
clients share.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

PATIENCE = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Question:
    """One picture to ask for, of the model's native size."""

    prompt: str
    num_inference_steps: int
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    question: Question
    ms: float  # from asking to the last byte
    own_ms: float = 0.0  # of these, the picture itself, as the server tells
    data: bytes = b""
    problem: str = ""  # why there is no picture

    @property
    def overhead_ms(self) -> float:
        """What came to the picture's own time on both ways and in the server."""
        return self.ms - self.own_ms


@dataclass(frozen=True, slots=True)
class Route:
    """Where a server takes questions, and what it is asked to answer with."""

    path: str
    accept: str


def ask_in_turn(url: str, route: Route, questions: Sequence[Question]) -> list[Answer]:
    """One program that asks for a picture when it has the one before; its connection stays open."""
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)) as connection:
        return [_ask(connection, route, question) for question in questions]


def ask_at_once(
    url: str, route: Route, programs: Sequence[Sequence[Question]]
) -> tuple[float, list[Answer]]:
    """Seconds that several programs took, each with its own questions, and all answers."""
    with ThreadPoolExecutor(len(programs)) as threads:
        begun = time.perf_counter()
        asking = [threads.submit(ask_in_turn, url, route, questions) for questions in programs]
        answers = [answer for each in asking for answer in each.result()]
        return time.perf_counter() - begun, answers


def levels_apart(one: Answer, other: Answer) -> float:
    """Mean difference of two pictures, in levels of 0 ... 255; of other sizes it is infinite."""
    pixels = [_pixels(each.data) for each in (one, other)]
    if pixels[0].shape != pixels[1].shape:
        return float("inf")
    return float(np.abs(pixels[0] - pixels[1]).mean())


def _ask(connection: HTTPConnection, route: Route, question: Question) -> Answer:
    headers = {"Content-Type": "application/json", "Accept": route.accept}
    body = json.dumps(asdict(question))
    begun = time.perf_counter()
    try:
        connection.request("POST", route.path, body, headers)
        response = connection.getresponse()
        data = response.read()
    except (OSError, HTTPException) as error:
        connection.close()  # the next question opens it again
        return Answer(question, _since(begun), problem=f"{type(error).__name__}: {error}")
    ms = _since(begun)
    if response.status != HTTPStatus.OK:
        words = data[:200].decode(errors="replace")
        return Answer(question, ms, problem=f"{response.status}: {words}")
    return Answer(question, ms, _own_ms(response.getheader("Server-Timing", "")), data)


def _own_ms(server_timing: str) -> float:
    found = re.search(r"total;dur=([\d.]+)", server_timing)
    return float(found[1]) if found else 0.0


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)
