"""A server of this demo as a program asks it for pictures (`--server`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .errors import (
    EngineUnavailable,
    GenerationFailed,
    InvalidRequest,
    InvalidSetting,
    LightningError,
    RateLimited,
)
from .schemas import Limits, Style

SECONDS = 660.0  # a little longer than a server takes before it gives a picture up


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture as its server encoded it."""

    data: bytes
    seed: int
    model: str
    warnings: tuple[str, ...]


class Client:
    """Asks one server."""

    def __init__(self, url: str, key: str = "") -> None:
        """
        Args:
            key: for servers that were started with `--api-keys`.

        Raises:
            InvalidSetting: the address is none.
        """
        if not url.startswith(("http://", "https://")):
            raise InvalidSetting("server: write the address as in http://127.0.0.1:7860.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url.rstrip("/")
        self._http = httpx.Client(headers=headers, timeout=SECONDS)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    def paint(self, fields: Mapping[str, Any], format: str = "png") -> Painted:
        """The picture of a request's fields, its settings inside.

        Args:
            format: "png", "jpeg" or "webp".

        Raises:
            LightningError: there is none, in the server's words.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        answer = self._ask("POST", "/v1/pictures", accept=f"image/{format}", content=given)
        headers = answer.headers
        try:
            warnings = tuple(json.loads(headers.get("X-Warnings", "[]")))
            return Painted(answer.content, int(headers["X-Seed"]), headers["X-Model"], warnings)
        except (ValueError, KeyError):
            raise self._stranger() from None

    def limits(self) -> Limits:
        """What its model can be asked for.

        Raises:
            LightningError: it does not say.
        """
        answer = self._ask("GET", "/v1/models", accept="application/json")
        try:
            model = answer.json()["data"][0]
            return Limits(
                num_inference_steps=tuple(map(int, model["num_inference_steps"])),
                default_steps=int(model["default_num_inference_steps"]),
                sizes=tuple((int(width), int(height)) for width, height in model["sizes"]),
                min_side=int(model["min_side"]),
                max_side=int(model["max_side"]),
                styles=tuple(Style(**style) for style in model.get("styles", ())),
            )
        except (ValueError, KeyError, TypeError, IndexError):
            raise self._stranger() from None

    def _ask(self, method: str, path: str, accept: str, content: Any = None) -> httpx.Response:
        headers = {"Accept": accept}
        try:
            answer = self._http.request(method, f"{self._url}{path}", json=content, headers=headers)
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"{self._url} does not answer ({error}).") from None
        if answer.status_code != httpx.codes.OK:
            raise _error(answer)
        return answer

    def _stranger(self) -> InvalidSetting:
        return InvalidSetting(f"server: {self._url} answers, but not as this demo does.")


def _error(answer: httpx.Response) -> LightningError:
    """What a server has answered instead of a picture."""
    try:
        problem = answer.json()
        message, field = str(problem["detail"]), problem.get("field")
    except (ValueError, KeyError, TypeError):
        message, field = f"The server answered {answer.status_code}.", None
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        return InvalidRequest(message, field=field)
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(message, field=field, seconds=_seconds(answer))
    if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
        return GenerationFailed(message, field=field)
    return EngineUnavailable(message, field=field)


def _seconds(answer: httpx.Response) -> float:
    """How long it asks to be left alone."""
    try:
        return float(answer.headers["Retry-After"])
    except (KeyError, ValueError):
        return 1.0
