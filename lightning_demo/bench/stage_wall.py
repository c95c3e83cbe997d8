"""The wall of `bench stage`: a screen that follows on its own socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from .clients import LivePage
from .score import PATIENCE


class WallPage(LivePage):
    """A screen that follows.

    Attributes:
        came: when pictures came, by what they are.
    """

    def __init__(self, url: str, code: str) -> None:
        super().__init__(url, 0, 0)
        self._path = f"stage/follow?code={code}&size=1920x1080"
        self.came: dict[bytes, float] = {}
        self._words: tuple[str, int] | None = None  # and number, of a picture of the audience
        self._pictured = False  # whether that has come
        self._news = asyncio.Event()

    async def has(self, data: bytes, seconds: float) -> bool:
        """Whether a picture comes within so many seconds."""
        return await self._within(lambda: data in self.came, seconds)

    async def shows(self, words: str, number: int, seconds: float) -> bool:
        """Whether it shows a picture of the audience, words and pixels, within so many seconds."""
        return await self._within(
            lambda: self._words == (words, number) and self._pictured, seconds
        )

    async def _within(self, wanted: Callable[[], bool], seconds: float) -> bool:
        async def wait() -> None:
            while not wanted():
                self._news.clear()
                await self._news.wait()

        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(wait(), min(PATIENCE, max(0.0, seconds)))
        return wanted()

    def _told(self, message: dict[str, Any]) -> None:
        if message["type"] == "scene":
            by = message["by"] if message["sent"] else None
            words = (message["prompt"], by["number"]) if by else None
            if words != self._words:
                self._words, self._pictured = words, False
            self._news.set()

    def _framed(self, header: dict[str, Any], data: bytes) -> None:
        self.came.setdefault(data, time.perf_counter())
        self._pictured = True
        self._news.set()
