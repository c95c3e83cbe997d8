"""What a page may load and run: a Content-Security-Policy for every answer.

Should a way be found to get markup into a page, no script in it runs: inline ones do so only where
their hash is in the policy, which is true of those that the server has just written. Gradio's page
needs `eval` for the functions of its events, and inline styles; our own pages need neither.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import Settings, listed
from .whole_page import is_page, send_changed

INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
# Where Hugging Face shows a Space.
FRAMES = ("'self'", "https://huggingface.co", "https://*.huggingface.co")
OURS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
GRADIOS = (
    "default-src 'self'; script-src 'self' 'unsafe-eval' {hashes}; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "base-uri 'self'; form-action 'self'; object-src 'none'"
)


class ContentSecurity:
    """ASGI middleware: adds the policy, and that types are not to be guessed."""

    def __init__(self, app: ASGIApp, settings: Settings, head: Callable[[], str]) -> None:
        """
        Args:
            head: what Gradio's page puts into its head while it is built, where its script finds
                it: a `<script>` of ours.
        """
        self._app, self._head = app, head
        self._ancestors = f"; frame-ancestors {' '.join((*FRAMES, *listed(settings.cors_origins)))}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if is_page(scope):
            await send_changed(self._app, scope, receive, send, self._page)
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                self._add(headers, OURS)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, with_policy)

    def _page(self, headers: MutableHeaders, body: bytes) -> bytes:
        """Gradio's page, which is known when it is complete."""
        scripts = [*INLINE.findall(body), *INLINE.findall(self._head().encode())]
        self._add(headers, GRADIOS.format(hashes=" ".join(hashes(scripts))))
        return body

    def _add(self, headers: MutableHeaders, policy: str) -> None:
        headers["Content-Security-Policy"] = policy + self._ancestors
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Referrer-Policy", "same-origin")


def hashes(scripts: Iterable[bytes]) -> list[str]:
    """The sources that let these scripts run, each once, as a browser reads ends of lines."""
    unified = dict.fromkeys(script.replace(b"\r\n", b"\n") for script in scripts)
    digests = (hashlib.sha256(script).digest() for script in unified)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
