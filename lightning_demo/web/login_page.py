"""What Gradio's page that asks for a login lacks: a title, which is read aloud first, and words for
whoever has tried too many passwords.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import ASSETS
from .guard import logged_in

HEAD = b"<head>"
TITLED = b"<head><title>Lightning</title><script>%s</script>"


class LoginPage:
    """Puts both into what a visitor gets who has not logged in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # In the page, since no file is served without a login; the policy knows it by its hash.
        self._titled = TITLED % (ASSETS / "web" / "login.js").read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        if not page or logged_in(HTTPConnection(scope)):
            await self._app(scope, receive, send)
            return
        begun: Message | None = None
        content = b""

        async def titled(message: Message) -> None:
            nonlocal begun, content
            if message["type"] == "http.response.start":
                begun = message
                return
            content += message.get("body", b"")
            if message.get("more_body") or begun is None:
                return
            body = content.replace(HEAD, self._titled, 1)
            headers = MutableHeaders(raw=list(begun["headers"]))
            headers["content-length"] = str(len(body))
            await send({**begun, "headers": headers.raw})
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, titled)
