"""The stage of one server: its walls, who may present, and who tries codes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.requests import HTTPConnection

from ...engine.base import Engine
from ...errors import InvalidRequest, RateLimited
from ...reachable import urls
from ...settings import Settings
from ..addresses import Allowance, address_of
from ..messages import Message
from .audience.audience import Audience
from .audience.audiences import Audiences
from .audience.words import WordList
from .battle.ring import Ring
from .battle.rings import Rings
from .battle.sides import Side
from .battle.target import Studio
from .desk import Desk
from .rights import MayNotPresent, Rights
from .wall import Screen, Wall, Watcher
from .walls import NoSuchStage, Walls, normal_code

# Codes that are none, from one address: a screen whose presenter's laptop has yet to come back
# tries every 5 s, and there may be some behind one address. To try all 923,521 takes ten days.
WRONG_CODES = 30
WRONG_CODES_PER_SECOND = 1.0
LARGEST = 32_768  # pixels of a screen's side
SWEEP_SECONDS = 60.0

Found = TypeVar("Found")


class Stage:
    """Belongs to one event loop, but for its constructor."""

    def __init__(
        self, settings: Settings, engine: Engine, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            engine: paints targets of battles.

        Raises:
            InvalidSetting: the audience's file of words cannot be used.
        """
        words = WordList.load(settings.audience_words)
        self.walls = Walls()
        self.audiences = Audiences(settings, words, clock) if settings.audience else None
        self.rings = Rings(words, self.audiences, Studio(engine), clock)
        self.ended = asyncio.Event()
        self._rights, self._host = Rights(settings), settings.host
        self._wrong = Allowance(WRONG_CODES, WRONG_CODES_PER_SECOND)
        self._refused_until: dict[str, float] = {}
        self._clock = clock
        self._sweeping: asyncio.TimerHandle | None = None

    def desk(self, connection: HTTPConnection, tell: Callable[[Message], None]) -> Desk:
        """What watches a live connection, in case that it presents."""
        if self._sweeping is None:
            self._sweep()

        def elsewhere() -> Sequence[str]:
            url = connection.url
            secure = url.scheme in ("https", "wss")
            port = url.port or (443 if secure else 80)
            return urls(self._host, port, https=secure)

        return Desk(
            self.walls,
            self._rights,
            connection,
            tell,
            self._clock,
            elsewhere,
            self.audiences,
            self.rings,
        )

    def now(self) -> float:
        """The stage's time, seconds of any clock."""
        return self._clock()

    def advance(self) -> None:
        """Tells audience and desks what is new; called often."""
        if self.audiences is not None:
            self.audiences.advance()
        self.rings.advance()

    def audience(self, connection: HTTPConnection) -> Audience:
        """The audience that a phone asks to join.

        Raises:
            LightningError: there is none, or too many codes were tried.
        """
        wall = self._wall(connection)
        if self.audiences is None:
            raise NoSuchStage("This talk takes no audience.")
        return self.audiences.of(wall)

    def side(self, connection: HTTPConnection) -> tuple[Ring, Side]:
        """The side of a battle whose code a keyboard comes with.

        Raises:
            LightningError: there is none, or too many codes were tried.
        """
        return self._find(connection, self.rings.find)

    def audience_of_presenter(self, code: object, token: object) -> Audience:
        """The audience of the wall on which the holder of the token presents.

        Raises:
            LightningError: that is not the right token, or there is no such wall.
        """
        if not isinstance(code, str) or not isinstance(token, str):
            raise InvalidRequest("code, token: must be texts.")
        known = normal_code(code)
        if self.audiences is None or known is None or not self._rights.holds(known, token):
            raise MayNotPresent("Only the presenter may have this.", "password")
        return self.audiences.of(self.walls.find(known))

    def join(self, connection: HTTPConnection, follower: Watcher) -> Wall:
        """The wall that a screen asks to follow, which it does from now on.

        Raises:
            LightningError: there is none, or it is full, or too many codes were tried.
        """
        asked = connection.query_params
        wall = self._wall(connection)
        self.walls.follow(wall, follower, screen_of(asked.get("size", ""), "desk" in asked))
        return wall

    def leave(self, wall: Wall, follower: Watcher) -> None:
        """A screen has gone."""
        self.walls.unfollow(wall, follower, self._clock())

    def close(self) -> None:
        """Ends all walls and those who follow them."""
        self.ended.set()
        self.walls.close()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _wall(self, connection: HTTPConnection) -> Wall:
        """The wall of the code that a screen or phone comes with."""
        return self._find(connection, self.walls.find)

    def _find(self, connection: HTTPConnection, find: Callable[[str], Found]) -> Found:
        """What there is under the code that somebody comes with."""
        now = self._clock()
        self.walls.sweep(now)
        address = address_of(connection)
        self._check_attempts(address, now)
        try:
            return find(connection.query_params.get("code", ""))
        except NoSuchStage:
            wait = self._wrong.take(address, now)
            if wait:
                self._refuse(address, now + wait)
            raise

    def _sweep(self) -> None:
        """Lets go of what nobody needs, from the first page on."""
        self.walls.sweep(self._clock())
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _check_attempts(self, address: str, now: float) -> None:
        """
        Raises:
            RateLimited: this address has tried too many codes, right or wrong from now on.
        """
        until = self._refused_until.get(address, 0.0)
        if until > now:
            wait = until - now
            raise RateLimited(
                f"Too many codes were tried; wait {round(wait) + 1} seconds.", seconds=wait
            )
        self._refused_until.pop(address, None)

    def _refuse(self, address: str, until: float) -> None:
        self._refused_until[address] = until
        if len(self._refused_until) > 1_000:
            self._refused_until.pop(next(iter(self._refused_until)))


def screen_of(size: str, desk: bool) -> Screen:
    """A screen by what it says of itself, "1920x1080"; what is no size counts as not told."""
    sides = size.split("x")
    if len(sides) == 2 and all(side.isascii() and side.isdigit() for side in sides):
        width, height = (int(side[:6]) for side in sides)
        if 0 < width <= LARGEST and 0 < height <= LARGEST:
            return Screen(width, height, desk)
    return Screen(desk=desk)
