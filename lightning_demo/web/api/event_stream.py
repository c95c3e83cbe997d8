"""Server-sent events (WHATWG HTML, section 9.2), as every API with a stream sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

QUIET_SECONDS = 15.0  # after which a comment keeps proxies from closing the connection


def event(data: Any, name: str | None = None, number: int | None = None) -> bytes:
    """One event.

    Args:
        data: text as it is, anything else as JSON.
        number: for clients that go on after a lost connection.
    """
    text = data if isinstance(data, str) else json.dumps(data)
    return format_sse_event(data_str=text, event=name, id=None if number is None else str(number))


def stream(events: AsyncGenerator[bytes, None]) -> EventSourceResponse:
    """Answers with events as they come; `events` is closed when the client goes away."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(_kept_alive(events), headers=headers)


async def _kept_alive(events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(events):
        following = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                done, _ = await asyncio.wait([following], timeout=QUIET_SECONDS)
                if not done:
                    yield KEEPALIVE_COMMENT
                    continue
                item = following.result()
                if item is None:
                    return
                yield item
                following = asyncio.ensure_future(anext(events, None))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
