"""The presenter of `bench stage`: types on the page, works at the desk, and looks at the wall.

In the rests between two bursts the presenter shows what waits in the tray. Meanwhile a phone more
opens the audience's page now and then, and the desk is asked for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from .clients import OPEN_WITHIN, LivePage
from .many import type_keys
from .score import PATIENCE, Trace
from .stage_wall import WallPage
from .typists import Typist

ASK_EVERY = 0.5  # seconds between two that open the audience's page, and two asks of the desk
ROOM = 0.7  # seconds of a rest that showing a picture needs
AT_THE_END = 3  # pictures shown one after another when nothing is typed any more
NOTHING = 0  # no picture of the tray has this number


@dataclass(slots=True)
class Talk:
    """One stretch of typing, and what was seen of it.

    Attributes:
        trace: of the presenter's page.
        wall_behind: seconds by which the wall had a finished picture after the page.
        wall_lost: whether the last finished picture never came to the wall.
        page, desk: seconds until the audience's page was there, and until the desk had an answer.
        shown: seconds until a released picture was on the wall.
        typed_on: released pictures that the presenter's next key took from the wall before.
        release_lost: released pictures that never came.
        in_tray: that wait or were shown, by the end.
        phones: that the desk knew of when the typing began.
    """

    trace: Trace = field(default_factory=Trace)
    wall_behind: list[float] = field(default_factory=list)
    wall_lost: bool = False
    page: list[float] = field(default_factory=list)
    desk: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    typed_on: int = 0
    release_lost: int = 0
    in_tray: int = 0
    phones: int = 0


class DeskPage(LivePage):
    """The page of whoever presents.

    Attributes:
        tray: all that the desk was told of the audience.
        finals: when finished pictures came, by what they are.
        rested: the keys after which it waited, and their finished pictures.
    """

    def __init__(self, url: str, typing: Typist, steps: int, held: dict[str, str]) -> None:
        """
        Args:
            held: code and token; filled in when there are none.
        """
        super().__init__(url, typing.seed, steps)
        self.held, self.typing = held, typing
        self.tray: dict[str, Any] = {}
        self.finals: dict[bytes, float] = {}
        self.rested: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._rests = {place for place, key in enumerate(typing.keys) if key.waits}
        self._acts: list[dict[str, Any]] = []  # not yet done
        self._count = 0
        self._news = asyncio.Event()

    async def open(self) -> None:
        """See `Page`."""
        await super().open()
        await self.act("skip", NOTHING)

    async def act(self, verb: str, entry: int) -> float:
        """Seconds until the desk is told that it is done."""
        begun = time.perf_counter()
        self._count += 1
        number = self._count
        self._acts.append({"number": number, "verb": verb, "entry": entry})
        wish = {**self.held, "acts": self._acts}
        await self.say({"sequence": 0, "present": wish})
        await self.until(lambda: self.tray.get("done", 0) >= number)
        return time.perf_counter() - begun

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Waits until the tray is as it is wanted.

        Raises:
            TimeoutError: it is not within `PATIENCE`.
        """
        while not wanted():
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), PATIENCE)

    def room(self, key: int) -> float:
        """Seconds until the key after this one is due; without end after the last."""
        if key + 1 == len(self.typing.keys):
            return float("inf")
        rest = self.typing.keys[key + 1].at - self.typing.keys[key].at
        return self.trace.presses[key].due + rest - time.perf_counter()

    def _told(self, message: dict[str, Any]) -> None:
        super()._told(message)
        if message["type"] == "wall":
            if message["problem"]:
                self._failed(message["problem"])
            else:
                self.held |= {"code": message["code"], "token": message["token"]}
        elif message["type"] == "tray":
            self.tray = message
            self._acts = [act for act in self._acts if act["number"] > message["done"]]
            self._news.set()

    def _framed(self, header: dict[str, Any], data: bytes) -> None:
        super()._framed(header, data)
        if header["final"]:
            self.finals[data] = time.perf_counter()
            if header["sequence"] in self._rests:
                self.rested.put_nowait((header["sequence"], data))


async def give(
    url: str,
    typing: Typist,
    steps: int,
    held: dict[str, str],
    phones: int = 0,
    hall: Awaitable[object] | None = None,
) -> Talk:
    """Presents until all has been typed, and the hall has gone.

    Args:
        phones: that the typing waits for.
        hall: returns when no more is done by phones; None where there are none.
    """
    talk, desk = Talk(), DeskPage(url, typing, steps, held)
    await desk.open()
    wall = WallPage(url, held["code"])
    await wall.open()
    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
        await asyncio.wait_for(
            desk.until(lambda: desk.tray.get("phones", 0) >= phones), OPEN_WITHIN
        )
    talk.phones = desk.tray.get("phones", 0)
    beside = [
        asyncio.create_task(work)
        for work in (_open_page(url, held["code"], talk), _ask(desk, talk))
    ]
    showing = asyncio.create_task(_show(desk, wall, talk))
    try:
        talk.trace = await type_keys(desk, typing, time.perf_counter(), PATIENCE)
        await asyncio.wait([showing], timeout=2 * PATIENCE)  # without end where a picture is lost
        if hall is not None:
            await hall
            await desk.act("skip", NOTHING)  # the tray's newest
        talk.in_tray = len(desk.tray["waiting"]) + desk.tray["gallery"]
        both = desk.finals.keys() & wall.came.keys()
        talk.wall_behind = [wall.came[data] - desk.finals[data] for data in both]
    finally:
        for task in (*beside, showing):
            task.cancel()
        await asyncio.gather(*beside, showing, return_exceptions=True)
        await wall.close()
        await desk.close()
    return talk


async def _show(desk: DeskPage, wall: WallPage, talk: Talk) -> None:
    """Looks at the wall in each rest, and shows the oldest of the tray there; more at the end."""
    keys = desk.typing.keys
    key = -1
    while key + 1 < len(keys):
        key, data = await desk.rested.get()
        last = key + 1 == len(keys)
        if not await wall.has(data, desk.room(key)):
            talk.wall_lost = last  # else the presenter has typed on
            continue
        for _ in range(AT_THE_END if last else 1):
            if desk.room(key) < ROOM or not (waiting := desk.tray["waiting"]):
                break
            entry, begun = waiting[0], time.perf_counter()
            await desk.act("release", entry["entry"])
            if await wall.shows(entry["prompt"], entry["by"]["number"], desk.room(key)):
                talk.shown.append(time.perf_counter() - begun)
            else:
                talk.typed_on += not last
                talk.release_lost += last


async def _open_page(url: str, code: str, talk: Talk) -> None:
    """A phone more opens the page, again and again."""
    while True:
        async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as http:  # noqa: S501
            begun = time.perf_counter()
            answer = await http.get("audience", params={"code": code}, timeout=PATIENCE)
            answer.raise_for_status()
            talk.page.append(time.perf_counter() - begun)
        await asyncio.sleep(ASK_EVERY)


async def _ask(desk: DeskPage, talk: Talk) -> None:
    while True:
        talk.desk.append(await desk.act("skip", NOTHING))
        await asyncio.sleep(ASK_EVERY)
