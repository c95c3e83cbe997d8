"""The audience of `bench soak`: a desk that opens the hall, and phones that come and go."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from websockets.exceptions import WebSocketException

from .stage_desk import NOTHING, DeskPage
from .stage_phones import PhonePage, Visit
from .typists import FIRST_PHONE, PRESENTER, typist

LATE = OSError, WebSocketException, TimeoutError, asyncio.TimeoutError


class Audience:
    """A hall as long as it is open."""

    def __init__(
        self, url: str, happened: Counter[str], steps: int, phones: int, seconds: float
    ) -> None:
        """
        Args:
            happened: where to count what happens.
            phones: of which every second one paints and the others look on.
            seconds: that a phone stays before it comes again.
        """
        self._url, self._happened, self._phones = url, happened, phones
        self._seconds = seconds
        self._desk = DeskPage(url, typist(PRESENTER, 0, 1.0), steps, {})

    async def run(self, end: float) -> None:
        """Opens the hall, and lets phones come and go until an end, by `time.perf_counter`."""
        if not self._phones:
            return
        await self._desk.open()
        try:
            phones = [self._phone(number, end) for number in range(self._phones)]
            await asyncio.gather(*phones, self._show(end))
        finally:
            await self._desk.close()

    async def _show(self, end: float) -> None:
        """The presenter goes on to the next picture of the audience, again and again."""
        while time.perf_counter() < end:
            await asyncio.sleep(1.0)
            await self._desk.act("skip", NOTHING)

    async def _phone(self, number: int, end: float) -> None:
        token, count = "", 0
        while time.perf_counter() < end:
            visit = Visit(
                self._url,
                self._desk.held["code"],
                count,
                self._seconds,
                self._phones,
                self._phones,
                (token,) * self._phones if token else (),
            )
            typing = None if number % 2 else typist(FIRST_PHONE + number, count, self._seconds)
            page = PhonePage(visit, number, typing)
            try:
                await page.open()
                token = page.token
                await self._stay(page, end)
                if count % 3 == 2:
                    page.break_off()
                    self._happened["lines broken"] += 1
            except LATE:
                self._happened["trouble"] += 1
            finally:
                await page.close()
            self._happened["pictures"] += sum(each.final for each in page.trace.pictures)
            self._happened["visits of phones"] += 1
            count += 1

    async def _stay(self, page: PhonePage, end: float) -> None:
        begun = time.perf_counter()
        leaves = min(end, begun + self._seconds)
        keys = () if page.typing is None else page.typing.keys
        for number, key in enumerate(keys):
            if begun + key.at > leaves:
                break
            await asyncio.sleep(begun + key.at - time.perf_counter())
            await page.press(number, key.text)
        await asyncio.sleep(leaves - time.perf_counter())
