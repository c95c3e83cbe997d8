"""An answer that is held back until it is complete, and sent as somebody has changed it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def is_page(scope: Scope) -> bool:
    """Whether Gradio's page is asked for."""
    return scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"


async def send_changed(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    change: Callable[[MutableHeaders, bytes], bytes],
) -> None:
    """Lets an app answer, and sends what comes of it.

    Args:
        change: given the headers, which it may change, and the whole body, as it is sent; returns
            the body to send instead.
    """
    start: Message | None = None
    body = bytearray()

    async def gathered(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body.extend(message.get("body", b""))
        if message.get("more_body") or start is None:
            return
        headers = MutableHeaders(raw=list(start["headers"]))
        changed = change(headers, bytes(body))
        headers["content-length"] = str(len(changed))
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": changed})

    await app(scope, receive, gathered)
