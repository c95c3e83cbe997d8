"""The audience of one wall: its members, what they sent, and what the presenter makes of it.

Nothing gets onto the wall but what has been released here: by an act of the desk, or, while
approval is off, by `advance` in turn. Takes the time as an argument.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import asdict
from typing import Any

from PIL import Image

from ....errors import InvalidRequest, LightningError, RateLimited
from ...addresses import Allowance
from ..battle import views as battle_views
from ..battle.ring import Ring
from ..wall import Scene, Wall
from . import invitation
from .clean import NAME_CHARACTERS, clean, visible
from .hall import Act, Hall
from .members import Member, Members
from .seats import GRACE_SECONDS
from .tray import Entry, Painting, Tray, Unknown
from .words import BLOCKED, WordList

THUMBNAIL = 192  # px of the longer side
SHOW_SECONDS = 6.0  # that each is to be seen for while approval is off, and after the presenter
SENDS, SENDS_PER_SECOND = 3, 0.1  # of one member
NAMES, NAMES_PER_SECOND = 5, 0.1
VOTES, VOTES_PER_SECOND = 10, 1.0
SHOWN_ON_DESK = 12  # of those released, the latest

CLOSED = "The presenter takes nothing at the moment."
BATTLE = "A battle is on: look at the wall."


class Audience:
    """Belongs to one event loop.

    Attributes:
        changed: whether desk and phones have yet to be told of something.
        ring: where battles of this wall are; None: there has been none.
    """

    def __init__(self, wall: Wall, members: Members, words: WordList) -> None:
        self.wall, self.members, self._words = wall, members, words
        self.hall = Hall()
        self.tray = Tray()
        self.changed = True
        self.addresses: tuple[str, ...] = ()
        self.ring: Ring | None = None
        self._shown = 0  # the entry that was on the wall when it was last looked at
        self._shown_since = 0.0
        self._typed: str | None = None
        self._sends = Allowance(SENDS, SENDS_PER_SECOND)
        self._names = Allowance(NAMES, NAMES_PER_SECOND)
        self._votes = Allowance(VOTES, VOTES_PER_SECOND)

    # The desk -------------------------------------------------------------------------------

    def set(self, hall: Hall, addresses: tuple[str, ...]) -> None:
        """The presenter's switches."""
        if (hall, addresses) != (self.hall, self.addresses):
            self.hall, self.addresses = hall, addresses
            self.changed = True
            if self.ring is not None:
                self.ring.anonymous = hall.anonymous
            self._tell_wall()

    def enter(self, ring: Ring) -> None:
        """Battles are here from now on."""
        self.ring = ring
        ring.anonymous = self.hall.anonymous
        ring.ban = self.ban

    def act(self, act: Act, now: float) -> None:
        """What the presenter does to one picture; nothing if it is not there any more."""
        try:
            entry = self.tray.get(act.entry)
        except Unknown:
            return
        if act.verb in ("release", "pin"):
            self._release(entry, now, pinned=act.verb == "pin")
        elif act.verb == "unpin":
            self.wall.pinned = False
        elif act.verb == "skip":
            self.tray.remove(entry)
            self.wall.withdraw({entry.id})
        else:
            self.ban(entry.member, now)
        self.changed = True
        self._tell_wall()

    def ban(self, member: Member, now: float) -> None:
        """Away with somebody, and everything of theirs."""
        gone = self.tray.forget(member)
        self.wall.withdraw({each.id for each in gone})
        self.members.ban(member, now)
        if self.ring is not None:
            self.ring.forget(member)
        self.changed = True

    @property
    def on_desk(self) -> list[Entry]:
        """What the desk lists: all that wait, and the latest of those shown."""
        return [*self.tray.waiting, *self.tray.released[-SHOWN_ON_DESK:]]

    def state(self) -> dict[str, Any]:
        """All that the desk shows of it but the thumbnails."""
        released = self.tray.released
        return {
            "phones": len(self.members.connected),
            "hall": asdict(self.hall),
            "addresses": self.addresses,
            "url": self.url,
            "gallery": len(released),
            "waiting": [self._describe(entry) for entry in self.tray.waiting],
            "released": [self._describe(entry) for entry in released[: -SHOWN_ON_DESK - 1 : -1]],
        }

    # Phones ---------------------------------------------------------------------------------

    def check(self, prompt: str) -> None:
        """
        Raises:
            LightningError: this may not be painted.
        """
        if not self.hall.open:
            raise LightningError(CLOSED)
        if self.ring is not None and self.ring.paused:
            raise LightningError(BATTLE)
        if self._words.blocks(prompt):
            raise InvalidRequest(BLOCKED)

    def rename(self, member: Member, text: str, now: float) -> None:
        """
        Raises:
            LightningError: this may be no name, or not so often.
        """
        name = clean(text, NAME_CHARACTERS)
        if name == member.name:
            return
        _take(self._names, member, now)
        if name and (self._words.blocks(name) or not visible(name)):
            raise InvalidRequest("Not this name, please.")
        member.name = name
        self.changed = True

    async def send(self, member: Member, painting: Painting, now: float) -> None:
        """A painted picture for the presenter: the one way into the tray.

        Raises:
            LightningError: it may not be sent, or not so often.
        """
        self.check(painting.prompt)
        self.tray.check_room(member, painting)
        _take(self._sends, member, now)
        thumbnail = await asyncio.to_thread(_thumbnail, painting.picture.data)
        # Whatever checks pictures before anybody sees them belongs here.
        if not member.banned:
            self.tray.add(member, painting, thumbnail)
            self.changed = True

    def vote(self, member: Member, entry: int, on: bool, now: float) -> None:
        """A member likes what the wall shows, or no more.

        Raises:
            LightningError: it is not to be seen, or that is too often.
        """
        if not entry or self.wall.visible.entry != entry:
            raise Unknown("The wall shows another one by now.")
        if (found := self.tray.get(entry)).member is member:
            raise InvalidRequest("That is your own.")
        _take(self._votes, member, now)
        votes = found.votes
        (votes.add if on else votes.discard)(member.number)
        self.changed = True
        self._tell_wall()

    def take_part(self, member: Member, now: float) -> None:
        """A member says something of a battle, as often as it may vote.

        Raises:
            RateLimited: that is too often.
        """
        _take(self._votes, member, now)

    def view(self, member: Member) -> dict[str, Any]:
        """What a member's phone shows of the hall, as a message."""
        scene = self.wall.visible
        shown = None
        if scene.entry and (entry := self._entry(scene.entry)):
            shown = {
                "entry": entry.id,
                "prompt": entry.painting.prompt,
                "by": None if self.hall.anonymous else scene.by,
                "own": entry.member is member,
                "voted": member.number in entry.votes,
            }
        sent = [
            {
                "entry": entry.id,
                "prompt": entry.painting.prompt,
                "state": self._place(entry),
            }
            for entry in self.tray.of(member)[-4:]
        ]
        battle = battle_views.phone(self.ring, member) if self.ring is not None else None
        paused = battle is not None and self.ring is not None and self.ring.paused
        open = battle["side"] is not None if battle is not None and paused else self.hall.open
        hall = {"open": open, "anonymous": self.hall.anonymous, "battle": battle}
        return {"type": "hall", **hall, "shown": shown, "sent": sent}

    # Time -----------------------------------------------------------------------------------

    def advance(self, now: float) -> bool:
        """What happens by itself; called often. Returns whether there is news to be told."""
        for member in self.members:
            gone = member.phone is None and now - member.left > GRACE_SECONDS
            if gone and member.seat.taken:
                member.seat.give_up()
        if self.wall.typed != self._typed:
            self._typed, self._shown_since = self.wall.typed, now
        waiting = self.tray.waiting
        free = not (self.wall.pinned or self.wall.frozen or self.wall.blank or self.wall.in_battle)
        due = now - self._shown_since >= SHOW_SECONDS
        if waiting and free and due and self.hall.open and not self.hall.approval:
            self._release(waiting[0], now)
        if self.wall.visible.entry != self._shown:
            self._shown = self.wall.visible.entry
            self.changed = True
            self._tell_wall()
        if self.ring is not None and self.ring.changed:
            self.changed, self.ring.changed = True, False
        changed, self.changed = self.changed, False
        return changed

    @property
    def url(self) -> str:
        """Where phones join; empty: they cannot reach this machine."""
        chosen = self.hall.address if self.hall.address in self.addresses else ""
        base = chosen or next(iter(self.addresses), "")
        return f"{base}/audience?code={self.wall.code}" if base else ""

    def _release(self, entry: Entry, now: float, *, pinned: bool = False) -> None:
        self.tray.release(entry)
        self._shown_since = now
        painting = entry.painting
        scene = Scene(painting.prompt, painting.picture, entry.id, entry.member.credit())
        self.wall.release(scene, pinned=pinned)
        self.changed = True
        self._tell_wall()

    def _tell_wall(self) -> None:
        entry = self._entry(self.wall.shown.entry)
        votes = len(entry.votes) if entry is not None and self.hall.votes else None
        shows = self.hall.code != "none" and self.url
        invited = invitation.invitation(self.url, self.hall.code == "large") if shows else None
        self.wall.tell(credits=not self.hall.anonymous, votes=votes, invitation=invited)

    def _entry(self, id: int) -> Entry | None:
        try:
            return self.tray.get(id)
        except Unknown:
            return None

    def _describe(self, entry: Entry) -> dict[str, Any]:
        shown = self.wall.shown.entry == entry.id
        return {
            "entry": entry.id,
            "prompt": entry.painting.prompt,
            "by": entry.member.credit(),
            "votes": len(entry.votes),
            "shown": shown,
            "pinned": shown and self.wall.pinned,
        }

    def _place(self, entry: Entry) -> str:
        if self.wall.visible.entry == entry.id:
            return "shown"
        return "released" if entry.released else "waiting"


def _take(allowance: Allowance, member: Member, now: float) -> None:
    wait = allowance.take(str(member.number), now)
    if wait:
        raise RateLimited(f"That was quick; again in {round(wait) + 1} seconds.", seconds=wait)


def _thumbnail(data: bytes) -> bytes:
    """A picture small enough for a list."""
    picture = Image.open(io.BytesIO(data))
    picture.draft("RGB", (THUMBNAIL, THUMBNAIL))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
