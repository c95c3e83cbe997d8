"""The presenter's desk: one live connection that says what a wall shows.

The page says all that it wants at once, each time: `{"sequence": n, "present": {…}}`. So the newest
message is the only one that counts, and a page that comes back after the line was lost, or the
server was started anew, has its wall as it was.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import HTTPConnection

from ...errors import InvalidRequest, LightningError
from ...schemas import Frame
from .. import messages
from ..messages import Message
from .audience.audiences import Audiences
from .audience.hall import Act, Hall, parse_acts
from .battle import views as battle_views
from .battle.orders import Orders
from .battle.ring import Ring
from .battle.rings import Rings
from .battle.target import Target
from .rights import MayNotPresent, Rights
from .wall import CAPTIONS, Look, Picture, Wall
from .walls import Walls, normal_code

LONGEST = 200  # characters of a code, token or password
ON_WALLS = ("prompt", "notes")  # of a frame's header what the wall itself decides, or nobody reads
TAKEN = "This stage is presented from another tab now."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page wants of its wall."""

    code: str = ""
    token: str = ""
    password: str = ""
    frozen: bool = False
    blank: bool = False
    empty: bool = False  # whether the prompt's box is: that asks for no picture
    look: Look = Look()
    audience: Hall = Hall()
    acts: tuple[Act, ...] = ()
    battle: object = None  # not read yet: its faults hinder nothing else

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Wish:
        """
        Raises:
            InvalidRequest: it is not as it must be.
        """
        found: dict[str, Any] = {
            **fields,
            "look": _look(fields.get("look", {})),
            "audience": Hall.parse(fields.get("audience", {})),
            "acts": parse_acts(fields.get("acts", [])),
        }
        if not found.keys() <= cls.__dataclass_fields__.keys():
            raise InvalidRequest("present: it has a field that is not known.")
        for name in ("code", "token", "password"):
            value = found.get(name, "")
            if not isinstance(value, str) or len(value) > LONGEST:
                raise InvalidRequest(f"{name}: must be a text of at most {LONGEST} characters.")
        for name in ("frozen", "blank", "empty"):
            _check_switch(name, found.get(name, False))
        return cls(**found)


class Desk:
    """What one live connection does as a presenter; does nothing until it asks to be one.

    Sees what its session asks for and gets (`live_connection.Observer`).
    """

    def __init__(
        self,
        walls: Walls,
        rights: Rights,
        connection: HTTPConnection,
        tell: Callable[[Message], None],
        clock: Callable[[], float] = time.monotonic,
        elsewhere: Callable[[], Sequence[str]] = tuple,
        audiences: Audiences | None = None,
        rings: Rings | None = None,
    ) -> None:
        """
        Args:
            connection: of the page, which says where it comes from.
            tell: leaves a message for the page.
            elsewhere: under which addresses other computers find this server now.
        """
        self._walls, self._rights, self._connection = walls, rights, connection
        self._tell, self._clock, self._elsewhere = tell, clock, elsewhere
        self._audiences, self._rings = audiences, rings
        self._done = -1  # the newest act
        self._ordered = -1  # the newest order of a battle
        self._target: Target | None = None  # that the page has
        self._pictured: set[int] = set()  # entries whose thumbnail the page has
        self._wall: Wall | None = None
        self._newest = -1  # twice the sequence of the newest prompt; an emptied box is one more

    def present(self, sequence: int, fields: Mapping[str, Any]) -> None:
        """Does what the page wants of its wall, or says why not; then nothing has changed."""
        try:
            wish = Wish.parse(fields)
            wall = self._find(wish)
        except LightningError as problem:
            needs = problem.needs if isinstance(problem, MayNotPresent) else ""
            self._tell({"type": "wall", "problem": problem.message, "needs": needs})
            return
        if wish.empty:
            self._type(2 * sequence + 1, "")
        wall.set(frozen=wish.frozen, blank=wish.blank, look=wish.look)
        if self._audiences is not None:
            audience = self._audiences.of(wall)
            audience.set(wish.audience, self._audiences.addresses())
            for act in wish.acts:
                if act.number > self._done:
                    audience.act(act, self._clock())
                    self._done = act.number
        if self._rings is not None and wish.battle is not None:
            self._ordered = Orders(self._rings.of(wall)).wish(wish.battle, self._ordered)
        self.wake()

    def asked(self, sequence: int, prompt: str) -> None:
        """The session was asked for a picture."""
        if self._wall is not None:
            self._type(2 * sequence, prompt)

    def painted(self, frame: Frame, budget: float | None) -> None:
        """The session's page is sent a picture; the hall sees none that may have to be blurred."""
        if self._wall is not None and frame.may_be_shown:
            header = messages.frame_header(0, frame, budget)
            said = {name: value for name, value in header.items() if name not in ON_WALLS}
            self._wall.offer(Picture(said, frame.data))

    def wake(self) -> None:
        """The wall has changed: tells the page, which may have lost it to another."""
        if self._wall is None:
            return
        if self._wall.presenter is not self:
            self._wall = None
            self._tell({"type": "wall", "problem": TAKEN, "needs": "taken"})
            return
        wall = self._wall
        self._tell(
            {
                "type": "wall",
                "problem": "",
                "code": wall.code,
                "token": self._rights.token(wall.code),
                "frozen": wall.frozen,
                "blank": wall.blank,
                "look": asdict(wall.look),
                "addresses": list(self._elsewhere()),
                "screens": [
                    {"width": screen.width, "height": screen.height, "desk": screen.desk}
                    for screen in wall.followers.values()
                ],
            }
        )
        if self._audiences is not None:
            self._tell_tray(self._audiences, wall)
        if self._rings is not None:
            self._tell_battle(self._rings.of(wall))

    def close(self) -> None:
        """The connection has ended; its wall stays for a while."""
        if self._wall is not None:
            self._walls.stop_presenting(self._wall, self, self._clock())
            self._wall = None

    def _tell_tray(self, audiences: Audiences, wall: Wall) -> None:
        """Tells all of the audience; each thumbnail once, beside it."""
        audience = audiences.of(wall)
        here = {entry.id: entry for entry in audience.on_desk}
        for id in here.keys() - self._pictured:
            picture = base64.b64encode(here[id].thumbnail).decode()
            self._tell({"type": f"thumbnail {id}", "entry": id, "picture": picture})
        self._pictured = set(here)
        seats = audiences.seats
        self._tell(
            {
                "type": "tray",
                "done": self._done,
                "painting": len(seats),
                "line": seats.waiting,
                **audience.state(),
            }
        )

    def _tell_battle(self, ring: Ring) -> None:
        """Tells how a battle stands; a target once, beside it."""
        target = ring.prepared or ring.target
        if target is not self._target:
            self._target = target
            picture = "" if target is None else target.small
            self._tell({"type": "target", "picture": picture})
        self._tell(battle_views.desk(ring, self._ordered))

    def _find(self, wish: Wish) -> Wall:
        """The wall that it presents on from now on.

        Raises:
            LightningError: it may not, or there are too many.
        """
        now = self._clock()
        code = normal_code(wish.code)
        known = code is not None and self._rights.holds(code, wish.token)
        wall = self._wall
        if wall is None or (known and wall.code != code):
            if not known:
                self._rights.check(self._connection, wish.password or None, now)
            found = self._walls.get(code) if known and code is not None else None
            self.close()
            wall = self._wall = found or self._walls.create(code, now)
            self._newest = -1
            self._walls.present(wall, self)
        return wall

    def _type(self, order: int, prompt: str) -> None:
        if self._wall is not None and order >= self._newest:
            self._newest = order
            self._wall.type(prompt)


def _look(fields: object) -> Look:
    if not isinstance(fields, dict) or not fields.keys() <= Look.__dataclass_fields__.keys():
        raise InvalidRequest("look: it has a field that is not known.")
    for name, value in fields.items():
        if name == "caption":
            if value not in CAPTIONS:
                raise InvalidRequest(f"caption: must be one of {', '.join(CAPTIONS)}.")
        else:
            _check_switch(name, value)
    return Look(**fields)


def _check_switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name}: must be true or false.")
