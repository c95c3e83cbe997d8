"""What all routes share: the engine, the open conversations, and whether the server is going.

Knows no HTTP and no page.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..engine.base import Engine
from ..engine.metrics import Metrics
from ..errors import EngineUnavailable, RateLimited
from ..settings import Settings
from . import messages
from .addresses import Allowance
from .admission import Admission
from .conversation import DRAINING, Conversation

log = logging.getLogger(__name__)

MAX_CONVERSATIONS = 1000
MAX_DOWNLOADS = 8
DOWNLOADS_PER_ADDRESS = 4  # at once
PICTURES_AT_ONCE = 60  # of one address without waiting, and then
PICTURES_PER_SECOND = 4.0
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
        self._admission = Admission(settings.max_sessions)
        self._conversations: dict[Conversation, str] = {}  # and their addresses
        self._pages: Counter[str] = Counter()  # by address
        self._downloads: Counter[str] = Counter()
        self._pictures = Allowance(PICTURES_AT_ONCE, PICTURES_PER_SECOND)
        self._told: dict[str, Any] = {}
        self._watch: asyncio.Task[None] | None = None

    def status(self) -> dict[str, Any]:
        """The state of engine and server as a message."""
        return messages.status(self.engine.status(), draining=self.draining)

    def load(self) -> dict[str, Any]:
        """How much there is to do, as a message."""
        return messages.load(self.metrics.summary())

    def open(self, address: str = "") -> Conversation:
        """A new conversation with a page at `address`.

        Raises:
            EngineUnavailable: when too many are open, or the server is going away.
            RateLimited: when too many are open at that address.
        """
        if self.draining:
            raise EngineUnavailable(DRAINING)
        if len(self._conversations) >= MAX_CONVERSATIONS:
            raise EngineUnavailable(
                f"{MAX_CONVERSATIONS} pages are open already, as many as this server takes; "
                "try again in a minute."
            )
        limit = self.settings.sessions_per_address
        if limit and self._pages[address] >= limit:
            raise RateLimited(
                f"{limit} pages are open at your address already, as many as this server takes "
                "from one; close another."
            )
        conversation = Conversation(self.engine, self.settings, self._admission)
        conversation.tell_status(self.status())
        self._conversations[conversation] = address
        self._pages[address] += 1
        self._count_sessions()
        if self._watch is None:
            self._watch = asyncio.create_task(self._look(), name="watch")
        return conversation

    async def close(self, conversation: Conversation) -> None:
        """Ends a conversation and its work."""
        address = self._conversations.pop(conversation, None)
        if address is not None:
            _discount(self._pages, address)
        self._count_sessions()
        if not self._conversations and self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await conversation.aclose()

    def count_picture(self, address: str) -> None:
        """Counts one request for a picture to keep.

        Raises:
            RateLimited: when the address has asked for too many of late.
        """
        wait = self._pictures.take(address, time.monotonic())
        if wait:
            raise RateLimited(
                f"At most {PICTURES_PER_SECOND:g} pictures a second can be saved for one address; "
                "try again in a moment.",
                seconds=wait,
            )

    @contextlib.asynccontextmanager
    async def download(self, address: str = "") -> AsyncIterator[None]:
        """Counts one picture that is painted for saving.

        Raises:
            EngineUnavailable: when too many are being painted, or the server is going away.
            RateLimited: when too many are being painted for that address.
        """
        if self.draining:
            raise EngineUnavailable(DRAINING)
        if self._downloads.total() >= MAX_DOWNLOADS:
            raise EngineUnavailable(
                f"{MAX_DOWNLOADS} pictures are being saved already; try again in a moment."
            )
        if self._downloads[address] >= DOWNLOADS_PER_ADDRESS:
            raise RateLimited(
                f"{DOWNLOADS_PER_ADDRESS} pictures are being saved for your address already; "
                "try again in a moment."
            )
        self._downloads[address] += 1
        try:
            yield
        finally:
            _discount(self._downloads, address)

    async def drain(self, seconds: float) -> None:
        """Takes nothing new, lets running pictures finish for up to `seconds`, ends all."""
        self.draining = True
        for conversation in self._conversations:
            conversation.drain()
        await _until(lambda: not self._busy(), seconds)
        for conversation in self._conversations:
            conversation.ended.set()
        # Ended sockets say goodbye themselves; events end with the server.
        await _until(lambda: not self._conversations, GOODBYE_SECONDS)
        for conversation in list(self._conversations):
            await self.close(conversation)

    def _busy(self) -> bool:
        return bool(self._downloads) or any(each.painting for each in self._conversations)

    async def _look(self) -> None:
        """Tells all pages what is new; one task for all, so that an idle page costs nothing."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                self._tell()
            except Exception:  # the next look may go well, and all pages depend on it
                log.exception("while looking what is new")

    def _tell(self) -> None:
        status = self.status()
        news = {**status, "waiting": 0} != {**self._told, "waiting": 0}
        self._told = status
        self._admission.advance()
        self._count_sessions()
        now = time.monotonic()
        for conversation in self._conversations:
            if news:
                conversation.tell_status(status)
            if conversation.watching and now >= conversation.load_due:
                conversation.load_due = now + LOAD_SECONDS
                conversation.notices.put(self.load())
            if conversation.busy:
                conversation.look()

    def _count_sessions(self) -> None:
        waiting = self._admission.waiting
        self.metrics.sessions(len(self._conversations) - waiting, waiting)


def _discount(counts: Counter[str], address: str) -> None:
    """One less; an address that has none is forgotten."""
    counts[address] -= 1
    if counts[address] <= 0:
        del counts[address]


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits for a condition that nothing announces, for at most `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition() and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
