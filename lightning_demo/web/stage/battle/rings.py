"""The battles of one server: at most one for each wall, found by wall or by a side's code."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from ..audience.audiences import Audiences
from ..audience.words import WordList
from ..wall import Wall
from ..walls import NoSuchStage, normal_code
from .ring import Ring
from .sides import Side
from .target import Studio


class Rings:
    """Belongs to one event loop, but for its constructor."""

    def __init__(
        self,
        words: WordList,
        audiences: Audiences | None,
        studio: Studio,
        clock: Callable[[], float],
    ) -> None:
        self._words, self._audiences = words, audiences
        self._studio, self._clock = studio, clock
        self._by_wall: dict[Wall, Ring] = {}

    def of(self, wall: Wall) -> Ring:
        """The ring of a wall, whether there is a battle in it or not."""
        if wall not in self._by_wall:
            audience = self._audiences.of(wall) if self._audiences is not None else None
            members = audience.members if audience is not None else None
            ring = Ring(wall, self._words, members, self._studio, self._clock)
            self._by_wall[wall] = ring
            if audience is not None:
                audience.enter(ring)
        return self._by_wall[wall]

    def find(self, text: str) -> tuple[Ring, Side]:
        """Whose code that is.

        Raises:
            NoSuchStage: nobody's.
        """
        code = normal_code(text) or ""
        for ring in self._by_wall.values():
            for side, each in ring.codes.items():
                if hmac.compare_digest(each.encode(), code.encode()):
                    return ring, side
        raise NoSuchStage("No player has this code; the presenter's desk shows the right ones.")

    def advance(self) -> None:
        """Lets go of those whose wall is gone, and moves the others on; called often."""
        for wall, ring in list(self._by_wall.items()):
            if wall.closed:
                del self._by_wall[wall]
                ring.close()
