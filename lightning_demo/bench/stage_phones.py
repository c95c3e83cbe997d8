"""The hall of `bench stage`: phones on the audience page's sockets, in a process of their own.

Some paint, as people type, and send what they have finished; the others look on, and some of those
like what is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .clients import OPEN_WITHIN, LivePage
from .many import type_keys
from .score import PATIENCE, Round
from .servers import MOST_FILES, allow_files
from .typists import FIRST_PHONE, Typist, typist

EVERY_SEND = 3  # a phone sends every third picture that it waits for, and its last
EVERY_VOTER = 3  # of the phones that look on
VOTE_WITHIN = 2.0  # seconds after something is shown


@dataclass(frozen=True, slots=True)
class Visit:
    """What the hall is to do.

    Attributes:
        number: how many visits of the same hall there were before.
        seconds: of typing.
        phones, painting: all, and those of them that paint.
        tokens: by which the server knows them from the visit before.
        patience: seconds that anything is waited for.
    """

    url: str
    code: str
    number: int
    seconds: float
    phones: int
    painting: int
    tokens: Sequence[str] = ()
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Visited:
    """What came of it.

    Attributes:
        round: of those who painted.
        accepted, refused, unanswered: pictures that were sent.
        votes: that were given, counted or not.
        problems: of those who look on.
    """

    round: Round
    tokens: tuple[str, ...]
    accepted: int
    refused: int
    unanswered: int
    votes: int
    problems: tuple[str, ...]


class PhonePage(LivePage):
    """One phone."""

    def __init__(self, visit: Visit, number: int, typing: Typist | None) -> None:
        """
        Args:
            number: 0, 1, …, among all phones.
            typing: what it types; None: it looks on.
        """
        super().__init__(visit.url, 0 if typing is None else typing.seed, 0)
        self._path = f"audience/live?code={visit.code}"
        self.token = visit.tokens[number] if visit.tokens else ""
        self.accepted = self.refused = self.asked = 0
        self.voted: set[int] = set()  # entries
        self.typing = typing
        self._votes = typing is None and number % EVERY_VOTER == 0
        self._vote_after = VOTE_WITHIN * (number % 20) / 20
        rests = [place for place, key in enumerate(typing.keys) if key.waits] if typing else []
        self._sends = {*rests[number % EVERY_SEND :: EVERY_SEND], *rests[-1:]}
        self._patience = visit.patience
        self._welcome = asyncio.Event()
        self._answer = asyncio.Event()

    async def open(self) -> None:
        """See `Page`."""
        await super().open()
        await self.say({"join": self.token})
        await asyncio.wait_for(self._welcome.wait(), OPEN_WITHIN)

    async def press(self, key: int, text: str) -> None:
        """Sends the prompt, numbered by its key."""
        await self.say({"prompt": text, "sequence": key, "seed": self._seed})

    async def answered(self) -> None:
        """Waits until all pictures that it has sent are answered, or has no more patience."""
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            while self.unanswered:
                self._answer.clear()
                await asyncio.wait_for(self._answer.wait(), self._patience)

    @property
    def unanswered(self) -> int:
        """Pictures that were sent, and nothing came back."""
        return self.asked - self.accepted - self.refused

    def _told(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "welcome":
                self.token = message["token"]
                self._welcome.set()
            case "refused":
                self._failed(message["message"])
                self._welcome.set()
            case "send":
                self.accepted += not message["problem"]
                self.refused += bool(message["problem"])
                self._answer.set()
            case "hall":
                self._see(message["shown"])
            case "prompt" | "error":
                self._failed(message.get("problem") or message["message"])

    def _see(self, shown: dict[str, Any] | None) -> None:
        """What the wall shows of the audience."""
        if self._votes and shown is not None and shown["entry"] not in self.voted:
            self.voted.add(shown["entry"])
            self._start(self._vote(shown["entry"]))

    async def _vote(self, entry: int) -> None:
        await asyncio.sleep(self._vote_after)
        await self.say({"vote": entry, "on": True})

    def _framed(self, header: dict[str, Any], data: bytes) -> None:
        super()._framed(header, data)
        key = header["sequence"]
        if header["final"] and key in self._sends:
            self._sends.discard(key)
            self.asked += 1
            self._start(self.say({"send": key}))


def visit(asked: Visit) -> Visited:
    """All phones come, type, look on, and leave."""
    allow_files(MOST_FILES)
    return asyncio.run(_visit(asked))


async def _visit(asked: Visit) -> Visited:
    pages = [
        PhonePage(
            asked,
            number,
            typist(FIRST_PHONE + number, asked.number, asked.seconds)
            if number < asked.painting
            else None,
        )
        for number in range(asked.phones)
    ]
    try:
        await asyncio.gather(*(page.open() for page in pages))
        begun, busy = time.perf_counter(), time.process_time()
        typing = [
            type_keys(page, page.typing, begun, asked.patience)
            for page in pages
            if page.typing is not None
        ]
        traces = await asyncio.gather(*typing)
        await asyncio.gather(*(page.answered() for page in pages))
        share = (time.process_time() - busy) / (time.perf_counter() - begun)
    finally:
        await asyncio.gather(*(page.close() for page in pages))
    others = {problem for page in pages if page.typing is None for problem in page.trace.problems}
    return Visited(
        Round(tuple(traces), None, share),
        tuple(page.token for page in pages),
        sum(page.accepted for page in pages),
        sum(page.refused for page in pages),
        sum(page.unanswered for page in pages),
        sum(len(page.voted) for page in pages),
        tuple(sorted(others)),
    )
