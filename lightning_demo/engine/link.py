"""The way to another server of this demo: its address, its key, and what its refusals mean.

How it is, it is asked by HTTP; all work goes through one connection (`channel.py`), which is opened
when there is some.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from .. import __version__
from ..errors import EngineHung, InvalidRequest, InvalidSetting, NotTaken
from ..schemas import EngineStatus
from ..settings import check_fallback
from .channel import Channel, Socket
from .wire import MAX_RECORD
from .wire_fields import Told, instance, parse_status

_QUIET = logging.getLogger(f"{__name__}.socket")
_QUIET.setLevel(logging.INFO)  # below, it would write all headers, and so the key

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 3.0  # without a sign of life, of which there are two a second
STATUS_SECONDS = 8.0  # that it may take to say how it is
CLOSE_SECONDS = 1.0
ANSWER_BYTES = 2**20


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
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._silence_seconds = silence_seconds
        self._connect_seconds = min(CONNECT_SECONDS, silence_seconds)
        self._http = httpx.AsyncClient(
            headers=self._headers,
            timeout=httpx.Timeout(silence_seconds, connect=self._connect_seconds),
            verify=_trust(),
        )
        self._opening: asyncio.Task[Channel] | None = None

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

    async def channel(self) -> Channel:
        """The one connection, opened if it is not; if whoever waits for it has enough, it goes on.

        Raises:
            NotTaken: it cannot be opened.
            Unlike: it will not be.
        """
        if self._channel is None and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        assert opening is not None  # noqa: S101
        await asyncio.wait([opening])
        return opening.result()

    async def claim(self, content: Mapping[str, Any]) -> None:
        """Gives work another claim, unless it is gone.

        Raises:
            EngineUnavailable: it could not be told.
        """
        if (channel := self._channel) is not None:
            await channel.send(content)

    def refusal(self, code: int, problem: Any) -> Exception:
        """What it has answered instead.

        Args:
            code: of HTTP.
            problem: its answer, if that was JSON.
        """
        try:
            detail, field = str(problem["detail"])[:500], problem.get("field")
        except (KeyError, TypeError, AttributeError):
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

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._opening is not None:
            self._opening.cancel()
        if (channel := self._channel) is not None:
            await channel.aclose()
        await self._http.aclose()

    @property
    def _channel(self) -> Channel | None:
        """The connection, if it is there."""
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception():
            return None
        return opening.result() if opening.result().is_open else None

    async def _open(self) -> Channel:
        address = self.url.replace("http", "ws", 1)
        try:
            socket = await _Connect(
                f"{address}/v1/work",
                ssl=_trust() if address.startswith("wss") else None,
                compression=None,  # JPEG does not get smaller
                additional_headers=self._headers,
                open_timeout=self._connect_seconds,
                close_timeout=CLOSE_SECONDS,
                max_size=MAX_RECORD,
                logger=_QUIET,
                create_connection=Socket,
            )
        except InvalidStatus as error:
            answer = error.response
            raise self.refusal(answer.status_code, _content(answer.body)) from None
        except (OSError, TimeoutError, asyncio.TimeoutError, InvalidHandshake) as error:
            raise NotTaken(f"{self.url} does not answer ({_reason(error)}).") from None
        assert isinstance(socket, Socket)  # noqa: S101
        return Channel(socket, self.url, self._silence_seconds)

    async def _status(self) -> Any:
        try:
            async with self._http.stream("GET", f"{self.url}/v1/engine") as answer:
                content = await self._json(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotTaken(f"{self.url} does not answer ({_reason(error)}).") from None
        except httpx.TimeoutException:
            raise EngineHung(f"{self.url} has said nothing for too long.") from None
        except httpx.HTTPError as error:
            raise NotTaken(f"{self.url} does not answer ({_reason(error)}).") from None
        if answer.status_code != httpx.codes.OK:
            raise self.refusal(answer.status_code, content)
        return content

    async def _json(self, answer: httpx.Response) -> Any:
        """What it has answered, as far as that is JSON."""
        body = b""
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES:
                return None
        return _content(body)

    def _stranger(self) -> Unlike:
        return Unlike(f"{self.url} answers, but not as a server of this demo does.")


class _Connect(connect):
    """Follows no redirect: the key is for this address alone."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """See `connect`."""
        return exc


def _content(body: bytes | bytearray) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


@cache
def _trust() -> ssl.SSLContext:
    """Whose certificates are believed: the usual authorities', or those of `SSL_CERT_FILE`."""
    return httpx.create_ssl_context()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
