"""What clients have used, by day."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ...errors import LightningError
from .store import Store

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.5  # after a use; what is used meanwhile is written with it


class Usage:
    """Adds up what is used, behind the answers: no picture waits for the disk.

    Belongs to one event loop. What a killed server had not written yet is lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[str, tuple[int, int]] = {}  # pictures and steps by owner, not written yet
        self._writing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()  # who reads waits for what is being written

    def add(self, owner: str, pictures: int, steps: int) -> None:
        """Notes what a client has used now."""
        self._note(owner, pictures, steps)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_later(), name="usage")

    async def of(self, owner: str) -> list[dict[str, Any]]:
        """What a client has used: `day`, `pictures`, `steps` for each day."""
        await self.write()
        return await asyncio.to_thread(self._store.usage, owner)

    async def write(self) -> None:
        """Writes what there is.

        Raises:
            LightningError: the store does not take it; what it has not taken is tried next time.
        """
        async with self._lock:
            for owner in list(self._new):
                used = self._new.pop(owner)  # what is added meanwhile is written next time
                try:
                    await asyncio.to_thread(self._store.count_use, owner, *used)
                except Exception:
                    self._note(owner, *used)
                    raise

    async def aclose(self) -> None:
        """Writes the rest."""
        if self._writing is not None:
            self._writing.cancel()
        try:
            await self.write()
        except LightningError as error:
            log.error("what was used is not counted: %s", error)

    def _note(self, owner: str, pictures: int, steps: int) -> None:
        before = self._new.get(owner, (0, 0))
        self._new[owner] = before[0] + pictures, before[1] + steps

    async def _write_later(self) -> None:
        await asyncio.sleep(WRITE_SECONDS)
        self._writing = None
        try:
            await self.write()
        except LightningError as error:
            log.error("what was used is not counted yet: %s", error)
