"""One finished picture for whoever asks over HTTP; what the route of every API calls.

Limits, turns, time, draining, a client that goes away, and faults are seen to in here. A route
translates its own kind of question into a `GenerationRequest`, and the frame into its own kind of
answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from ..engine.base import Engine, Work, final_frame
from ..errors import (
    EngineUnavailable,
    GenerationFailed,
    LightningError,
    RateLimited,
    report_incident,
)
from ..schemas import Frame, GenerationRequest
from .addresses import Allowance, address_of, discount
from .http_json import read_json
from .messages import DRAINING
from .tasks import tasks

log = logging.getLogger(__name__)

MAX_PICTURES = 8  # being painted at once
PICTURES_PER_ADDRESS = 4  # of them, for one address
PICTURES_AT_ONCE = 60  # of one address without waiting, and then
PICTURES_PER_SECOND = 4.0
PAINT_SECONDS = 600.0  # loading, in line and on the device; SDXL on a CPU takes minutes


class Painting:
    """Paints requests to the end. Belongs to one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._allowance = Allowance(PICTURES_AT_ONCE, PICTURES_PER_SECOND)
        self._running: Counter[str] = Counter()  # pictures, by address
        self._draining = False

    @property
    def busy(self) -> bool:
        """Whether any picture is being painted."""
        return bool(self._running)

    def drain(self) -> None:
        """Takes nothing new; what is being painted may finish."""
        self._draining = True

    async def read(self, http: Request) -> Mapping[str, Any]:
        """The untrusted JSON fields of an HTTP request for a picture.

        Whoever asks too often is told so before anything is read.

        Raises:
            LightningError: why they are not read, with the HTTP status that fits.
        """
        self._check_draining()
        if wait := self._allowance.take(address_of(http), time.monotonic()):
            raise RateLimited(
                f"At most {PICTURES_PER_SECOND:g} pictures a second are painted for one address; "
                "try again in a moment.",
                seconds=wait,
            )
        return await read_json(http)

    async def paint(self, request: GenerationRequest, http: Request) -> Frame:
        """The final frame of `request`, with its pixels and the name of the model.

        The pictures of one address take turns with one another. When the client goes away, its
        picture is not painted on.

        Args:
            http: the HTTP request that asks for it, after `read`.

        Raises:
            LightningError: why there is no picture, with the HTTP status that fits.
        """
        address = address_of(http)
        self._check_draining()
        self._check_running(address)
        self._running[address] += 1
        try:
            frame = await self._final_frame(Work(request, client=("address", address)), http)
        except Exception as error:
            raise report_incident(error, "The picture could not be painted", log) from None
        finally:
            discount(self._running, address)
        return replace(frame, model=frame.model or self._engine.status().model)

    def _check_draining(self) -> None:
        if self._draining:
            raise EngineUnavailable(DRAINING)

    def _check_running(self, address: str) -> None:
        if self._running.total() >= MAX_PICTURES:
            raise EngineUnavailable(
                f"{MAX_PICTURES} pictures are being painted already; try again in a moment."
            )
        if self._running[address] >= PICTURES_PER_ADDRESS:
            raise RateLimited(
                f"{PICTURES_PER_ADDRESS} pictures are being painted for your address already; "
                "try again in a moment."
            )

    async def _final_frame(self, work: Work, http: Request) -> Frame:
        async with tasks(final_frame(self._engine, work), _disconnect(http)) as (painted, gone):
            await asyncio.wait(
                (painted, gone), timeout=PAINT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if painted.done():
                frame: Frame = painted.result()
                if frame.pixels is None:
                    raise GenerationFailed("The picture came without its pixels.")
                return frame
            if gone.done():
                raise ClientGone("The client has gone.")
            raise EngineUnavailable(
                f"The picture was not finished within {PAINT_SECONDS:g} s; try again later."
            )


class ClientGone(LightningError):
    """Nobody reads this answer; the log has nginx's status for it."""

    status = 499


async def _disconnect(http: Request) -> None:
    """Ends when the client has gone."""
    while (await http.receive())["type"] != "http.disconnect":
        pass
