"""The presenter's tray: painted pictures that members have sent, until they are shown or skipped.

Pure: knows no socket and no clock. What has been released is kept for the gallery, within a number
of bytes; a vote counts once for each member and picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ....errors import LightningError, RateLimited
from ....schemas import GenerationRequest
from ..wall import Picture
from .members import Member

MAX_WAITING = 200
WAITING_EACH = 3  # of one member
MAX_RELEASED = 400
RELEASED_BYTES = 64 * 2**20


class Unknown(LightningError):
    """There is no such picture, or no more."""

    status = 404


@dataclass(frozen=True, slots=True)
class Painting:
    """What a member has painted and may send."""

    prompt: str  # as it is shown
    request: GenerationRequest
    picture: Picture


@dataclass(slots=True, eq=False)
class Entry:
    """One picture that was sent.

    Attributes:
        thumbnail: a small JPEG.
        released: its place among those that were shown; 0: it waits.
        votes: the numbers of those who like it.
    """

    id: int
    member: Member
    painting: Painting
    thumbnail: bytes
    released: int = 0
    votes: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.painting.picture.data) + len(self.thumbnail)


class Tray:
    """All entries of one wall by their ids."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._by_member: dict[Member, list[Entry]] = {}  # hundreds of phones ask for their own
        self._ids = 0
        self._releases = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    @property
    def waiting(self) -> list[Entry]:
        """Those that nobody has decided about, the oldest first."""
        return [entry for entry in self if not entry.released]

    @property
    def released(self) -> list[Entry]:
        """Those that were shown, in that order."""
        return sorted((e for e in self if e.released), key=lambda entry: entry.released)

    def of(self, member: Member) -> list[Entry]:
        """A member's own, the oldest first."""
        return list(self._by_member.get(member, ()))

    def get(self, id: int) -> Entry:
        """
        Raises:
            Unknown: there is none.
        """
        if id not in self._entries:
            raise Unknown("This picture is not there any more.")
        return self._entries[id]

    def check_room(self, member: Member, painting: Painting) -> None:
        """
        Raises:
            RateLimited: one more of this member, or of anybody, is too much.
        """
        waiting = self.waiting
        own = [entry for entry in self.of(member) if not entry.released]
        if any(entry.painting.request == painting.request for entry in own):
            raise RateLimited("This picture waits with the presenter already.")
        if len(own) >= WAITING_EACH:
            raise RateLimited(f"{WAITING_EACH} pictures of yours wait with the presenter already.")
        if len(waiting) >= MAX_WAITING:
            raise RateLimited("The presenter's tray is full; try again in a minute.")

    def add(self, member: Member, painting: Painting, thumbnail: bytes) -> Entry:
        """One more waits.

        Raises:
            RateLimited: it is one too many.
        """
        self.check_room(member, painting)
        self._ids += 1
        entry = self._entries[self._ids] = Entry(self._ids, member, painting, thumbnail)
        self._by_member.setdefault(member, []).append(entry)
        return entry

    def release(self, entry: Entry) -> None:
        """It is shown, so it belongs to the gallery."""
        if not entry.released:
            self._releases += 1
            entry.released = self._releases
            kept = self.released
            while len(kept) > MAX_RELEASED or sum(each.size for each in kept) > RELEASED_BYTES:
                if kept[0] is entry:
                    break
                self.remove(kept.pop(0))

    def remove(self, entry: Entry) -> None:
        """It goes, wherever it is."""
        if self._entries.pop(entry.id, None) is not None:
            own = self._by_member[entry.member]
            own.remove(entry)
            if not own:
                del self._by_member[entry.member]

    def forget(self, member: Member) -> list[Entry]:
        """Everything of a member goes, votes too; returns its entries."""
        gone = self.of(member)
        for entry in gone:
            self.remove(entry)
        for entry in self:
            entry.votes.discard(member.number)
        return gone
