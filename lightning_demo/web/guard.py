"""Who may talk to the server: checks in front of every route, Gradio's and ours.

Gradio's CORS rules hide answers from foreign pages but still act on their requests, let any page
open a WebSocket, and believe any Host; its login covers only its own routes.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import LightningError
from ..reachable import is_loopback
from ..settings import Settings, listed
from ..studio.animation import MAX_BYTES
from .http_json import Shape
from .messages import MAX_MESSAGE_BYTES

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# What only the page itself uses; everything else may be opened to other pages (--cors-origins).
PAGE_PATHS = (
    "/animation",
    "/audience",
    "/batch",
    "/battle",
    "/gradio_api",
    "/login",
    "/live",
    "/picture",
    "/queue",
    "/stage",
    "/upload",
)
FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# The most bytes of a body with pictures or lists, by path; a batch has its list in base64, and
# lists of words beside it. All others hold a few texts.
LARGER_BODIES = {
    "/sdapi/v1/png-info": 2**24,
    "/animation": MAX_BYTES,
    "/batch": 2**23,
    "/batch/pictures": 2**23,
}


class Guard:
    """ASGI middleware: refuses foreign hosts and pages, and bodies that are too large."""

    def __init__(
        self, app: ASGIApp, settings: Settings, shape_of: Callable[[Scope], Shape]
    ) -> None:
        """
        Args:
            shape_of: how errors are answered at the address that a request is for.
        """
        self._app = app
        self._shape_of = shape_of
        self._hosts = allowed_hosts(settings)
        self._origins = frozenset(origin.lower() for origin in listed(settings.cors_origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._hosts is not None and host_name(headers.get("host", "")) not in self._hosts:
            detail = "This address is not one that the demo is served under (see --allowed-hosts)."
            await self._refuse(Foreign(detail), scope, receive, send)
        elif not self._same_origin(scope, headers):
            detail = "Only the demo's own page may do this."
            await self._refuse(Foreign(detail), scope, receive, send)
        elif scope["type"] == "http":
            await self._bounded(scope, headers, receive, send)
        else:
            await self._app(scope, receive, send)

    def _same_origin(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request that can do something comes from our page, or from no page at all."""
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return True
        if self._origins and headers.get("origin", "").lower() in self._origins:
            return not scope["path"].startswith(PAGE_PATHS)
        site = headers.get("sec-fetch-site")
        if site is not None:  # browsers set it themselves; a page cannot forge it
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        if origin is None:  # not a browser
            return True
        # Behind a proxy Host may be the inner name; a foreign page cannot send X-Forwarded-Host.
        authority = urlsplit(origin).netloc.lower()
        ours = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
        return bool(authority) and authority in ours

    async def _bounded(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Passes the request on, its body cut off where it becomes too large."""
        most = LARGER_BODIES.get(scope["path"], MAX_MESSAGE_BYTES)
        too_large = BodyTooLarge(f"At most {most:,} bytes may be sent at once.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            await self._refuse(too_large, scope, receive, send)
            return
        received = 0
        answered = False

        async def bounded_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise too_large
            return message

        async def watched_send(message: Message) -> None:
            nonlocal answered
            answered = answered or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, bounded_receive, watched_send)
        except BodyTooLarge:
            if not answered:
                await self._refuse(too_large, scope, receive, send)

    async def _refuse(
        self, error: LightningError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        await self._shape_of(scope)(error)(scope, receive, send)


class Foreign(LightningError):
    """A request under another name, or of another page."""

    status = 403


class BodyTooLarge(LightningError):
    """A body is larger than any message may be."""

    status = 413


class NotLoggedIn(LightningError):
    """The demo has a login, and Gradio does not know this visitor."""

    status = 401


def allowed_hosts(settings: Settings) -> frozenset[str] | None:
    """The names the demo may be reached under; None: any.

    This machine's own names are always among them: no foreign page can be served under those.
    """
    named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    if named:
        return LOOPBACK_NAMES | named
    if settings.share or not is_loopback(settings.host):
        return None
    return LOOPBACK_NAMES | {settings.host.lower().strip("[]")}


def may_seem_this_machine(settings: Settings) -> bool:
    """Whether requests from elsewhere may look as if this machine sent them.

    Those through a tunnel do; and where there is a login, others are expected, through a proxy.
    """
    return settings.share or bool(settings.auth)


def from_this_machine(connection: HTTPConnection) -> bool:
    """Whether a program on this machine asks, and not somebody through a proxy or tunnel."""
    headers = connection.headers
    return (
        connection.client is not None
        and is_loopback(connection.client.host)
        and is_loopback(host_name(headers.get("host", "")))
        and not any(name in headers for name in FORWARDED)
    )


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def logged_in(connection: HTTPConnection) -> bool:
    """Whether Gradio knows this visitor; always so when no login is asked for."""
    app = connection.app
    if getattr(app, "auth", None) is None:
        return True
    return any(
        connection.cookies.get(f"{name}-{app.cookie_id}") in app.tokens
        for name in ("access-token", "access-token-unsecure")
    )


def check_login(connection: HTTPConnection) -> None:
    """
    Raises:
        NotLoggedIn: the visitor must log in first.
    """
    if not logged_in(connection):
        raise NotLoggedIn("Log in on the page first.")
