"""Logins that cannot be guessed without end, and do not last for ever: Gradio's do both."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import RateLimited
from .addresses import Allowance, address_of
from .http_json import problem_of

ATTEMPTS = 10  # wrong passwords in a row from one address, and then
ATTEMPTS_PER_SECOND = 0.1
UNUSED_SECONDS = 7 * 24 * 3600.0  # after which a login has ended
SWEEP_SECONDS = 600.0


class Logins:
    """ASGI middleware in front of Gradio's login; its tokens are the application's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._attempts = Allowance(ATTEMPTS, ATTEMPTS_PER_SECOND)
        self._used: dict[str, float] = {}  # when each token was last seen
        self._swept = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        self._forget(connection.app.tokens, connection.cookies.values())
        if scope["type"] == "http" and scope["path"].rstrip("/") == "/login":
            await self._login(connection, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _login(
        self, connection: HTTPConnection, scope: Scope, receive: Receive, send: Send
    ) -> None:
        address = address_of(connection)
        wait = self._attempts.take(address, time.monotonic())
        if wait:
            words = f"Too many passwords were tried; wait {round(wait) + 1} seconds."
            await problem_of(RateLimited(words, seconds=wait))(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] < HTTPStatus.BAD_REQUEST:
                    self._attempts.give_back(address)
                if scope["scheme"] == "https":
                    message["headers"] = [_secure(*each) for each in message.get("headers", ())]
            await send(message)

        await self._app(scope, receive, counted)

    def _forget(self, tokens: dict[str, Any], given: Iterable[str]) -> None:
        """Drops logins that nobody has used for long; those that come now are used now."""
        now = time.monotonic()
        sweeps = now - self._swept > SWEEP_SECONDS
        if sweeps:
            self._swept = now
            self._used = {token: at for token, at in self._used.items() if token in tokens}
        for token in list(tokens) if sweeps else given:
            if token in tokens and now - self._used.setdefault(token, now) > UNUSED_SECONDS:
                del tokens[token]
        for token in given:
            if token in tokens:
                self._used[token] = now


def _secure(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header; a cookie so that browsers send it by https alone. Gradio has one that they would
    send by http, too, to whoever listens.
    """
    if name.lower() == b"set-cookie" and b"; secure" not in value.lower():
        value += b"; Secure"
    return name, value
