"""What is to be said to one page beside its frames."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from .messages import Message

MAX_ERRORS = 8  # unread; a page that reads slowly misses older ones


class Notices:
    """Messages not yet read: of each kind the newest, and the latest errors. One reader."""

    def __init__(self) -> None:
        self._newest: dict[object, Message] = {}
        self._errors: deque[Message] = deque(maxlen=MAX_ERRORS)
        self._wake = asyncio.Event()

    def put(self, message: Message) -> None:
        """Leaves a message for the reader."""
        if message["type"] == "error":
            self._errors.append(message)
        else:
            self._newest[message["type"]] = message
        self._wake.set()

    async def read(self) -> AsyncIterator[Message]:
        """Yields messages as they come, without end."""
        while True:
            while self._newest or self._errors:
                if self._newest:
                    yield self._newest.pop(next(iter(self._newest)))
                else:
                    yield self._errors.popleft()
            self._wake.clear()
            await self._wake.wait()
