"""A server of this demo as a program asks it for pictures (`generate --server`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .errors import EngineUnavailable, InvalidRequest, InvalidSetting, LightningError, RateLimited

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

    def paint(self, fields: Mapping[str, Any]) -> Painted:
        """The picture of a request's fields as PNG, its settings inside.

        Raises:
            LightningError: there is none, in the server's words.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        try:
            answer = self._http.post(
                f"{self._url}/v1/pictures", json=given, headers={"Accept": "image/png"}
            )
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"{self._url} does not answer ({error}).") from None
        if answer.status_code != httpx.codes.OK:
            raise _error(answer)
        headers = answer.headers
        warnings = tuple(json.loads(headers.get("X-Warnings", "[]")))
        return Painted(answer.content, int(headers["X-Seed"]), headers["X-Model"], warnings)


def _error(answer: httpx.Response) -> LightningError:
    """What a server has answered instead of a picture."""
    try:
        problem = answer.json()
        message, field = str(problem["detail"]), problem.get("field")
    except (ValueError, KeyError, TypeError):
        message, field = f"The server answered {answer.status_code}.", None
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        return InvalidRequest(message, field=field)
    kind = RateLimited if answer.status_code == httpx.codes.TOO_MANY_REQUESTS else EngineUnavailable
    return kind(message, field=field)
