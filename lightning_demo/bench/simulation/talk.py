"""A talk on a virtual clock: a presenter, and phones whose pictures give way to theirs.

The real sessions and scheduling, as the web opens them for both; no sockets.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from ...engine.session import LiveSession
from ...settings import Settings
from ...web.service import AUDIENCE, phone_settings
from ..score import Round, Trace, score
from ..typists import FIRST_PHONE, PRESENTER, typist
from .crowd import type_at
from .device_model import DeviceModel
from .engine import SimulatedEngine
from .virtual_loop import run_virtual


def simulated(
    model: DeviceModel, painting: int, seconds: float, visits: int, steps: int = 4
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The figures of the presenter alone and before the hall, and of the phones that paint.

    Args:
        painting: phones; without any the hall's figures are empty.
        seconds: of typing in each visit.
    """
    alone = [_talk(model, 0, visit, seconds, steps) for visit in range(visits)]
    full = [_talk(model, painting, visit, seconds, steps) for visit in range(visits)]
    hall = [Round(traces[1:], None) for traces in full]
    return (
        score([Round(traces[:1], None) for traces in alone]),
        score([Round(traces[:1], None) for traces in full]),
        score(hall) if painting else {},
    )


def _talk(
    model: DeviceModel, painting: int, visit: int, seconds: float, steps: int
) -> tuple[Trace, ...]:
    """What was shown to the presenter, and to each phone."""
    settings = Settings()
    of_phones = phone_settings(settings)
    as_phone = partial(LiveSession, client=AUDIENCE, yields=True)

    async def everybody() -> tuple[Trace, ...]:
        engine = SimulatedEngine(model)
        presenter = type_at(engine, settings, typist(PRESENTER, visit, seconds), steps, model.size)
        hall = (
            type_at(
                engine,
                of_phones,
                typist(FIRST_PHONE + number, visit, seconds),
                steps,
                model.size,
                open_session=as_phone,
            )
            for number in range(painting)
        )
        return tuple(await asyncio.gather(presenter, *hall))

    return run_virtual(everybody())
