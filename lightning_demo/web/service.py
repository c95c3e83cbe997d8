"""What all routes share: the engine, the open conversations, and whether the server is going.

Knows no HTTP and no page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..engine.base import Engine
from ..engine.metrics import Metrics
from ..errors import EngineUnavailable
from ..settings import Settings
from . import messages
from .conversation import DRAINING, Conversation

MAX_CONVERSATIONS = 200
MAX_DOWNLOADS = 8
POLL_SECONDS = 0.25
LOAD_SECONDS = 1.0  # between two messages about the load, to a page that shows them
GOODBYE_SECONDS = 1.0


class Service:
    """The engine as the web sees it. Everything but the constructor belongs to one loop."""

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics | None = None) -> None:
        """
        Args:
            metrics: where the engine writes what it measures; absent: it measures nothing.
        """
        self.engine = engine
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.draining = False
        self._conversations: set[Conversation] = set()
        self._downloads = 0

    def status(self) -> dict[str, Any]:
        """The state of engine and server as a message."""
        return messages.status(self.engine.status(), draining=self.draining)

    def load(self) -> dict[str, Any]:
        """How much there is to do, as a message."""
        return messages.load(self.metrics.summary())

    def open(self) -> Conversation:
        """A new conversation.

        Raises:
            EngineUnavailable: when too many are open, or the server is going away.
        """
        if self.draining:
            raise EngineUnavailable(DRAINING)
        if len(self._conversations) >= MAX_CONVERSATIONS:
            raise EngineUnavailable(
                f"{MAX_CONVERSATIONS} pages are open already, as many as this server takes; "
                "try again in a minute."
            )
        conversation = Conversation(self.engine, self.settings)
        self._conversations.add(conversation)
        self.metrics.sessions(len(self._conversations))
        return conversation

    async def close(self, conversation: Conversation) -> None:
        """Ends a conversation and its work."""
        self._conversations.discard(conversation)
        self.metrics.sessions(len(self._conversations))
        await conversation.aclose()

    @contextlib.asynccontextmanager
    async def download(self) -> AsyncIterator[None]:
        """Counts one picture that is painted for saving.

        Raises:
            EngineUnavailable: when too many are being painted, or the server is going away.
        """
        if self.draining:
            raise EngineUnavailable(DRAINING)
        if self._downloads >= MAX_DOWNLOADS:
            raise EngineUnavailable(
                f"{MAX_DOWNLOADS} pictures are being saved already; try again in a moment."
            )
        self._downloads += 1
        try:
            yield
        finally:
            self._downloads -= 1

    async def drain(self, seconds: float) -> None:
        """Takes nothing new, lets running pictures finish for up to `seconds`, ends all."""
        self.draining = True
        for conversation in self._conversations:
            conversation.draining = True
        await _until(lambda: not self._busy(), seconds)
        for conversation in self._conversations:
            conversation.ended.set()
        # Ended sockets say goodbye themselves; events end with the server.
        await _until(lambda: not self._conversations, GOODBYE_SECONDS)
        for conversation in list(self._conversations):
            await self.close(conversation)

    def _busy(self) -> bool:
        return self._downloads > 0 or any(each.busy for each in self._conversations)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits for a condition that nothing announces, for at most `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition() and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
