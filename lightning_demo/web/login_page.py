"""What Gradio's page that asks for a login lacks: a title, which is read aloud first, and words for
whoever has tried too many passwords.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from ..settings import ASSETS
from .guard import logged_in
from .whole_page import is_page, send_changed

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
        if not is_page(scope) or logged_in(HTTPConnection(scope)):
            await self._app(scope, receive, send)
        else:
            await send_changed(self._app, scope, receive, send, self._with_title)

    def _with_title(self, headers: MutableHeaders, body: bytes) -> bytes:
        return body.replace(HEAD, self._titled, 1)
