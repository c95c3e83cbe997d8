"""What the head of Gradio's page says of ours: which modules it is made of, and what it shows.

Gradio's script asks for ours last of all, and a browser learns which other modules one needs when
it has it: before they were named here, four rounds over the network came one after the other.
"""

from __future__ import annotations

import re
from html import escape

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from .guard import logged_in
from .ui.words import FILES, words
from .whole_page import is_page, send_changed

ENTRY = "page.js"
# Not those that a script asks for when somebody opens what needs them.
IMPORT = re.compile(r'^(?:import|export)\s[^"]*"\./(\w+\.js)";$', re.MULTILINE)
CARD = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')
END = b"</head>"


class PageHead:
    """ASGI middleware: names our modules, and tells what links to the page show."""

    def __init__(self, app: ASGIApp, title: str) -> None:
        self._app = app
        described = {"title": title, "description": words("en")["page.tagline"], "type": "website"}
        tags = [
            *(
                f'<meta property="og:{name}" content="{escape(said)}">'
                for name, said in described.items()
            ),
            *(
                f'<link rel="modulepreload" href="web/{name}" fetchpriority="low">'
                for name in modules(ENTRY)
            ),
        ]
        self._tags = "\n".join(tags).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if is_page(scope) and logged_in(HTTPConnection(scope)):  # else it is the login's
            await send_changed(self._app, scope, receive, send, self._told)
        else:
            await self._app(scope, receive, send)

    def _told(self, headers: MutableHeaders, body: bytes) -> bytes:
        # Gradio's own card speaks of Gradio, with a picture from elsewhere.
        return CARD.sub(b"", body).replace(END, self._tags + END, 1)


def modules(entry: str) -> list[str]:
    """The module of a page and all that are loaded with it, those first that are needed first."""
    found = [entry]
    for name in found:  # grows meanwhile
        source = (FILES / name).read_text(encoding="utf-8")
        found += [each for each in IMPORT.findall(source) if each not in found]
    return found
