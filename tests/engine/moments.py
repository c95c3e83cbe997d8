"""Waiting for a moment; imports nothing, for processes that need no model import this."""

from __future__ import annotations

import asyncio


async def settle(seconds: float = 0.01) -> None:
    """Lets other tasks and threads go on for a moment."""
    await asyncio.sleep(seconds)
