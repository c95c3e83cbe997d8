"""One tab's conversation with the engine; the same for every way that messages travel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from ..engine.base import Engine
from ..engine.live import LiveEvent, LiveSession
from ..errors import EngineUnavailable, LightningError
from ..schemas import GenerationRequest
from ..settings import Settings
from . import messages

DRAINING = "The demo is being restarted; the page comes back by itself."


class Conversation:
    """What one tab asks and hears. Belongs to one event loop; one reader of `events`."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._session = LiveSession(engine, settings)
        self.ended = asyncio.Event()  # set when the server wants it to end
        self.draining = False
        self.seen: int | None = None  # frames acknowledged; None: the page does not acknowledge
        self.acknowledged = asyncio.Event()
        self.watching = False  # whether the page shows how much there is to do
        self._newest = -1

    @property
    def busy(self) -> bool:
        """Whether a picture that was asked for has not come yet."""
        return not self._session.idle

    def hear(self, text: str | bytes, *, in_order: bool = True) -> dict[str, object] | None:
        """Acts on a message; returns the answer when that is an error.

        Args:
            in_order: false when messages may overtake one another; a late one is ignored.
        """
        sequence = 0
        try:
            message = messages.parse(text)
            sequence = message.sequence
            if message.pause:
                self._session.pause()
            elif message.seen is not None:
                self.seen = message.seen
                self.acknowledged.set()
            elif message.watch is not None:
                self.watching = message.watch
            elif message.fields is not None and (in_order or sequence >= self._newest):
                self._newest = sequence
                self.submit(message.sequence, message.fields, message.budget)
        except LightningError as problem:
            return messages.error(sequence, problem)
        return None

    def submit(self, sequence: int, fields: Mapping[str, Any], budget: float | None = None) -> None:
        """Asks for a picture; whatever was asked before is superseded.

        Args:
            budget: as of `LiveSession.submit`.

        Raises:
            LightningError: the fields cannot be painted, or the server is going away.
        """
        if self.draining:
            raise EngineUnavailable(DRAINING)
        request = GenerationRequest.parse(fields, self._engine.status().limits)
        self._session.submit(sequence, request, budget)

    def events(self) -> AsyncIterator[LiveEvent]:
        """Yields the newest frame or error not yet read, until the conversation is closed."""
        return self._session.events()

    async def aclose(self) -> None:
        """Stops all work."""
        self.ended.set()
        await self._session.aclose()
