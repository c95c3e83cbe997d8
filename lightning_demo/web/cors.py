"""Which pages of others may read answers: those of `--cors-origins`, by Starlette's CORS rules.

Gradio has rules of its own that cannot be switched off: it lets no page but its own ask a server on
this machine, and lets every page read the answers of one that has another name. So ours stand in
front of the whole application, and its headers are taken away.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import Settings, listed

# What the APIs say in headers, beside those that every page may read.
EXPOSED = (
    "X-Seed",
    "X-Model",
    "X-Warnings",
    "X-HF-Warning",
    "X-Fal-Request-Id",
    "X-Fal-Error-Type",
    "Server-Timing",
    "Retry-After",
)


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application, whose answers only allowed pages can read."""
    return CORSMiddleware(
        _WithoutHeaders(app),
        allow_origins=listed(settings.cors_origins),
        allow_methods=("GET", "POST", "PUT"),
        allow_headers=("*",),
        expose_headers=EXPOSED,
    )


class _WithoutHeaders:
    """Takes away what the application itself says about other pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in {name for name in headers if name.startswith("access-control-")}:
                    del headers[name]
            await send(message)

        await self._app(scope, receive, send_without)
