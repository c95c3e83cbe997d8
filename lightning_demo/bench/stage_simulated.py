"""The talk of `bench stage` on a virtual clock: the real sessions and scheduling, no sockets."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from ..engine.session import LiveSession
from ..settings import Settings
from ..web.service import AUDIENCE, phone_settings
from .score import Round, Trace, score
from .simulation.crowd import type_at
from .simulation.device_model import DeviceModel
from .simulation.engine import SimulatedEngine
from .simulation.virtual_loop import run_virtual
from .stage_phones import FIRST_TYPIST
from .typists import typist


def simulated(
    model: DeviceModel, painting: int, seconds: float, visits: int, steps: int = 4
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The figures of the presenter alone and before the hall, and of the phones that paint."""
    alone = [_talk(model, 0, visit, seconds, steps) for visit in range(visits)]
    full = [_talk(model, painting, visit, seconds, steps) for visit in range(visits)]
    return (
        score([Round(traces[:1], None) for traces in alone]),
        score([Round(traces[:1], None) for traces in full]),
        score([Round(traces[1:], None) for traces in full]),
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
        presenter = type_at(engine, settings, typist(0, visit, seconds), steps, model.size)
        hall = (
            type_at(
                engine,
                of_phones,
                typist(FIRST_TYPIST + number, visit, seconds),
                steps,
                model.size,
                open_session=as_phone,
            )
            for number in range(painting)
        )
        return tuple(await asyncio.gather(presenter, *hall))

    return run_virtual(everybody())
