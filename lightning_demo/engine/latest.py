"""A slot whose newest value replaces the unread one: for readers that must never lag behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A slot for one value between a writer and the one reader, in one event loop."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._error: Exception | None = None
        self._ended = False
        self._wake = asyncio.Event()

    def put(self, value: T) -> None:
        """Leaves a value, in place of one that has not been read."""
        self._value = value
        self._wake.set()

    def end(self, error: Exception | None = None) -> None:
        """Nothing follows what has been put; with an error, reading on raises it."""
        self._ended, self._error = True, error
        self._wake.set()

    async def get(self) -> T | None:
        """Waits for a value; None when there will be no more.

        Raises:
            Exception: what `end` was given.
        """
        while self._value is None:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        value, self._value = self._value, None
        return value

    async def __aiter__(self) -> AsyncIterator[T]:
        while (value := await self.get()) is not None:
            yield value
