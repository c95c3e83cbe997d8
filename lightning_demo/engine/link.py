"""The way to another server of this demo: its address, its key, and what its answers mean.

Knows HTTP as a client; nothing of streams of values but that they are bytes.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx

from .. import __version__
from ..errors import EngineHung, EngineUnavailable, InvalidRequest, InvalidSetting, NotTaken
from ..schemas import EngineStatus
from ..settings import check_fallback
from .wire_fields import Told, instance, parse_status

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 3.0  # between two signs of life, of which there are two a second
STATUS_SECONDS = 8.0  # that it may take to say how it is
KEPT_SECONDS = 4.0  # that a connection is kept; uvicorn closes it after five
CONNECTIONS = 512  # one for each picture that is on its way
ANSWER_BYTES = 2**20  # of anything but a stream


class Unlike(InvalidSetting):
    """What answers must not paint in this one's place; that will not pass by itself."""


class Link:
    """A shared client for one server. Belongs to one event loop from its first use on."""

    def __init__(self, url: str, key: str = "", silence_seconds: float = SILENCE_SECONDS) -> None:
        """
        Args:
            key: of that server's `--api-keys`, with `server=1` in its line; kept out of all logs.
            silence_seconds: without a byte, after which it counts as hung.

        Raises:
            InvalidSetting: the address is none.
        """
        self.url = check_fallback(url)
        timeout = httpx.Timeout(silence_seconds, connect=min(CONNECT_SECONDS, silence_seconds))
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout,
            verify=_trust(),
            limits=httpx.Limits(
                max_connections=CONNECTIONS,
                max_keepalive_connections=CONNECTIONS,
                keepalive_expiry=KEPT_SECONDS,
            ),
        )

    async def status(self, expected: EngineStatus) -> Told:
        """What its engine says of itself.

        Args:
            expected: what it must paint with.

        Raises:
            Unlike: it answers, but must not paint in this one's place.
            EngineUnavailable: it does not answer.
        """
        try:
            # Whoever answers byte by byte is no server of ours.
            content = await asyncio.wait_for(self._status(), STATUS_SECONDS)
        except asyncio.TimeoutError:
            raise EngineHung(f"{self.url} takes too long to say how it is.") from None
        try:
            told = parse_status(content)
        except ValueError:
            raise self._stranger() from None
        if told.instance == instance():
            raise Unlike(f"{self.url} is this very server; name another.")
        if told.version != __version__:
            raise Unlike(
                f"{self.url} is of version {told.version[:40]}, this server of {__version__}; "
                "install the same on both."
            )
        if told.fingerprint != expected.fingerprint and not told.texts["loading_model"]:
            raise Unlike(
                f"{self.url} paints with other weights ({told.texts['title'][:80]}, "
                f"{told.fingerprint[:24]}) than this server ({expected.title}, "
                f"{expected.fingerprint}); start both with the same --model, --variant, --base and "
                "--lora."
            )
        return told

    @asynccontextmanager
    async def values(self, content: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        """The stream of values for work; leaving it closes the connection, which stops the work.

        Raises:
            NotTaken: it has not taken the work.
            EngineUnavailable: it went away; `EngineHung`: it says nothing any more.
            InvalidRequest: the request is at fault.
        """
        async with self._ask("POST", "/v1/work", content) as answer:
            yield answer.aiter_raw()

    async def claim(self, content: Any) -> None:
        """Gives work another claim.

        Raises:
            EngineUnavailable: it could not be told.
        """
        async with self._ask("POST", "/v1/claims", content) as answer:
            await answer.aread()

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def _status(self) -> Any:
        async with self._ask("GET", "/v1/engine") as answer:
            return await self._json(answer)

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, content: Any = None
    ) -> AsyncIterator[httpx.Response]:
        taken = False
        try:
            request = self._http.build_request(method, f"{self.url}{path}", json=content)
            answer = await self._http.send(request, stream=True)
            try:
                if answer.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT):
                    raise await self._refusal(answer)
                taken = True
                yield answer
            finally:
                await answer.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotTaken(f"{self.url} does not answer ({_reason(error)}).") from None
        except httpx.TimeoutException:
            raise EngineHung(f"{self.url} has said nothing for too long.") from None
        except httpx.HTTPError as error:
            if not taken:  # it answers before it begins
                raise NotTaken(f"{self.url} does not answer ({_reason(error)}).") from None
            raise EngineUnavailable(f"{self.url} has broken off ({_reason(error)}).") from None

    async def _refusal(self, answer: httpx.Response) -> Exception:
        """What it has answered instead."""
        code = answer.status_code
        try:
            problem = await self._json(answer)
            detail, field = str(problem["detail"])[:500], problem.get("field")
        except (Unlike, KeyError, TypeError, AttributeError):
            # A proxy in between speaks for a server that is away.
            if code in (httpx.codes.BAD_GATEWAY, httpx.codes.GATEWAY_TIMEOUT, 503):
                return NotTaken(f"{self.url} does not answer (HTTP {code}).")
            return self._stranger()
        if code == httpx.codes.UNPROCESSABLE_ENTITY:
            return InvalidRequest(detail, field=None if field is None else str(field))
        if code in (401, 403, 409):
            return Unlike(f"{self.url} refuses this server: {detail}")
        if code in (404, 405):  # FastAPI and Starlette answer so, too
            return self._stranger()
        return NotTaken(f"{self.url}: {detail}")

    async def _json(self, answer: httpx.Response) -> Any:
        body = b""
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise self._stranger()
        try:
            return json.loads(body)
        except ValueError:
            raise self._stranger() from None

    def _stranger(self) -> Unlike:
        return Unlike(f"{self.url} answers, but not as a server of this demo does.")


@cache
def _trust() -> ssl.SSLContext:
    """Whose certificates are believed: the usual authorities', or those of `SSL_CERT_FILE`."""
    return httpx.create_ssl_context()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
