"""Somebody who types at a live session, in the time of whatever event loop this runs in."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from ...engine.base import Engine
from ...engine.session import LiveSession
from ...schemas import GenerationRequest
from ...settings import Settings
from ..typists import Typist
from .record import Record


async def visit(
    engine: Engine,
    settings: Settings,
    like: GenerationRequest,
    typing: Typist,
    begun: float,
    patience: float | None = None,
) -> Record:
    """Types every key when it is due, and reads until the finished picture of the last one.

    Args:
        like: what is asked for, but for the prompt.
        begun: the time of the loop from which keys are counted.
        patience: seconds after the last key; None: for ever.
    """
    loop, record = asyncio.get_running_loop(), Record()
    session = LiveSession(engine, settings)

    async def read() -> None:
        async for event in session.events():
            if event.frame is not None:
                record.showed(event.sequence, loop.time() - begun, event.frame.final)
            over = event.frame is None or event.frame.final
            if over and event.sequence == len(typing.keys) - 1:
                return

    reading = asyncio.create_task(read())
    for number, key in enumerate(typing.keys):
        await asyncio.sleep(begun + key.at - loop.time())
        record.pressed(number, key.at, key.waits)
        session.submit(number, replace(like, prompt=key.text))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), patience)
    await session.aclose()
    await reading
    return record
