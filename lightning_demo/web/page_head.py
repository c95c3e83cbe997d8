"""What the head of Gradio's page says of ours: which modules it is made of, and what it shows.

Gradio's script asks for ours last of all, when it has built the page. What has to be there before
Gradio's own is a script in this head.
"""

from __future__ import annotations

import re
from html import escape

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from ..settings import ASSETS
from .guard import logged_in
from .kept_files import KeptFolder
from .modules import preloads
from .ui.words import words
from .whole_page import is_page, send_changed

ENTRY = "page.js"
FIRST = "loading_sign.js"
CARD = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')
END = b"</head>"


class PageHead:
    """ASGI middleware: our first script, the names of our modules, what links to the page show."""

    def __init__(self, app: ASGIApp, title: str, files: KeptFolder) -> None:
        self._app, self._files = app, files
        described = {"title": title, "description": words("en")["page.tagline"], "type": "website"}
        self._card = "".join(
            f'<meta property="og:{name}" content="{escape(said)}">\n'
            for name, said in described.items()
        )
        self._first = f"<script>{(ASSETS / 'web' / FIRST).read_text(encoding='utf-8')}</script>\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if is_page(scope) and logged_in(HTTPConnection(scope)):  # else it is the login's
            await send_changed(self._app, scope, receive, send, self._told)
        else:
            await self._app(scope, receive, send)

    def _told(self, headers: MutableHeaders, body: bytes) -> bytes:
        head = self._first + self._card + preloads(self._files.address(), ENTRY)
        # Gradio's own card speaks of Gradio, with a picture from elsewhere.
        return CARD.sub(b"", body).replace(END, head.encode() + END, 1)
