"""All walls of a server by their codes; none stays for ever. Takes the time as an argument."""

from __future__ import annotations

import secrets

from ...errors import EngineUnavailable, LightningError
from .wall import Screen, Wall, Watcher

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that looks like another
CODE_LENGTH = 4
MAX_WALLS = 32
MAX_FOLLOWERS = 64  # of one wall
KEEP_SECONDS = 900.0  # without presenter and screens: as long as a laptop may sleep
KEEP_FOLLOWED_SECONDS = 12 * 3600.0  # without a presenter, on some screen


class NoSuchStage(LightningError):
    """No wall has this code."""

    status = 404


def normal_code(text: str) -> str | None:
    """A code as it is kept, from what somebody has typed; None: that is none."""
    code = "".join(text.upper().split())
    fits = len(code) == CODE_LENGTH and all(letter in ALPHABET for letter in code)
    return code if fits else None


class Walls:
    """At most `MAX_WALLS`; those that nobody needs go by themselves."""

    def __init__(self) -> None:
        self._walls: dict[str, Wall] = {}
        self._left: dict[Wall, float] = {}  # since when nobody presents, or nobody follows either

    def __len__(self) -> int:
        return len(self._walls)

    def find(self, code: str) -> Wall:
        """
        Raises:
            NoSuchStage: there is none.
        """
        wall = self._walls.get(normal_code(code) or "")
        if wall is None:
            raise NoSuchStage("There is no stage with this code; the desk shows the right one.")
        return wall

    def get(self, code: str) -> Wall | None:
        """The wall of a well-formed code, if there is one."""
        return self._walls.get(code)

    def create(self, code: str | None, now: float) -> Wall:
        """A new wall.

        Args:
            code: the one it would like to have; it gets another where that is taken or is none.

        Raises:
            EngineUnavailable: there are too many.
        """
        self.sweep(now)
        if len(self._walls) >= MAX_WALLS and not self._drop_oldest():
            raise EngineUnavailable(f"{MAX_WALLS} people present here already; try again later.")
        code = normal_code(code or "")
        while code is None or code in self._walls:
            code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        wall = self._walls[code] = Wall(code)
        return wall

    def present(self, wall: Wall, presenter: Watcher) -> None:
        """Somebody presents on a wall; whoever did before does no more, and is told."""
        before, wall.presenter = wall.presenter, presenter
        self._left.pop(wall, None)
        if before is not None and before is not presenter:
            before.wake()

    def stop_presenting(self, wall: Wall, presenter: Watcher, now: float) -> None:
        """A presenter's connection has ended; the wall waits for the next one."""
        if wall.presenter is presenter:
            wall.presenter = None
            self._left[wall] = now

    def follow(self, wall: Wall, follower: Watcher, screen: Screen) -> None:
        """
        Raises:
            EngineUnavailable: too many screens follow.
        """
        if len(wall.followers) >= MAX_FOLLOWERS:
            raise EngineUnavailable(
                f"{MAX_FOLLOWERS} screens follow this stage already, as many as it takes; "
                "close another."
            )
        wall.join(follower, screen)

    def unfollow(self, wall: Wall, follower: Watcher, now: float) -> None:
        """A screen has gone."""
        wall.leave(follower)
        if wall.presenter is None and not wall.followers and not wall.closed:
            self._left[wall] = now

    def sweep(self, now: float) -> None:
        """Lets go of walls that have been left for long enough."""
        for wall, left in list(self._left.items()):
            if now - left >= (KEEP_FOLLOWED_SECONDS if wall.followers else KEEP_SECONDS):
                self._drop(wall)

    def close(self) -> None:
        """Ends all of them."""
        for wall in list(self._walls.values()):
            self._drop(wall)

    def _drop_oldest(self) -> bool:
        """Makes room by the one that has been left for longest and is on no screen."""
        free = [wall for wall in self._left if not wall.followers]
        if free:
            self._drop(min(free, key=self._left.__getitem__))
        return bool(free)

    def _drop(self, wall: Wall) -> None:
        del self._walls[wall.code]
        self._left.pop(wall, None)
        wall.close()
