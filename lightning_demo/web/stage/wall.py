"""What one hall sees: the presenter's newest words and picture, unless frozen or blank.

Pure: knows no socket, no clock and no loop. Whoever follows is woken when there is something new to
be seen, and then looks; nothing is queued, so that a slow follower misses what is old and holds up
nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

from .. import messages

MAX_CHARACTERS = 4_000  # of the prompt; of a longer one the end is shown, where one types

Caption = Literal["beside", "over", "none"]
CAPTIONS: tuple[Caption, ...] = ("beside", "over", "none")


@dataclass(frozen=True, slots=True)
class Look:
    """How a wall shows what it shows; the presenter chooses."""

    caption: Caption = "beside"  # where the words stand; beside: below, where there is more room
    crossfade: bool = True  # or cut
    surround: bool = True  # the picture, blurred, where it leaves room; or plain
    figures: bool = False  # how long the picture took
    previews: bool = True  # pictures after each step, or finished ones only


class Picture:
    """An encoded picture and what is said of it."""

    def __init__(self, header: Mapping[str, Any], data: bytes) -> None:
        """
        Args:
            header: as of `messages.frame_header`.
        """
        self.header, self.data = header, data

    @property
    def final(self) -> bool:
        """Whether it is finished."""
        return bool(self.header["final"])

    @cached_property
    def message(self) -> bytes:
        """Both as they travel; put together once for all followers."""
        return messages.pack(self.header, self.data)


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """A prompt battle, as screens show it.

    Attributes:
        state: all but the pictures, for a message.
        pictures: by their place on the board; each has it in its header, too.
    """

    state: Mapping[str, Any]
    pictures: Mapping[str, Picture]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What can be seen at one time, whoever painted it. Two are the same only if they are one.

    Attributes:
        prompt: None while nobody has typed anything.
        entry: of the audience's tray; 0: it is the presenter's own.
        by: who of the audience painted it: number, colour and name.
        battle: stands in the place of all else.
    """

    prompt: str | None = None
    picture: Picture | None = None
    entry: int = 0
    by: Mapping[str, Any] | None = None
    battle: Board | None = None

    @property
    def pictures(self) -> Mapping[str, Picture]:
        """All that are to be seen, by their place; a single one has none."""
        if self.battle is not None:
            return self.battle.pictures
        return {} if self.picture is None else {"": self.picture}


EMPTY = Scene()


class Watcher(Protocol):
    """One who wants to know when a wall has changed."""

    def wake(self) -> None:
        """There is something new; called often, and has to return at once."""
        ...


class Wall:
    """What one hall sees.

    * Frozen, it goes on showing what the hall saw last; unfrozen, the newest.
    * Blank, it shows nothing, whatever else happens; afterwards what it would have shown without.
    * Frozen while blank, it holds what was seen before: nothing gets out that nobody has seen.
    * A picture of the audience that is released stands before the presenter's until that one types
      on; a pinned one stays.
    * A battle stands before all of that, until the presenter ends it.

    Attributes:
        code: by which screens find it.
        presenter: who says what it shows, and is told of changes; None: gone for now.
        followers: screens, and the size in pixels that each claims to have.
        pinned: whether what is released stays.
        credits: whether it says who painted what is released.
        votes: for what is shown; None: it does not say.
        invitation: how phones join, as a message; None: it does not say.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.presenter: Watcher | None = None
        self.followers: dict[Watcher, Screen] = {}
        self.look = Look()
        self.blank = self.frozen = self.closed = False
        self.pinned = False
        self.credits = True
        self.votes: int | None = None
        self.invitation: Mapping[str, Any] | None = None
        self._live = EMPTY  # the presenter's newest
        self._released: Scene | None = None
        self._battle: Scene | None = None
        self._seen = EMPTY  # what the hall saw last

    @property
    def shown(self) -> Scene:
        """What screens show, or will when they are blank no more."""
        return self._seen if self.frozen else self._newest

    @property
    def in_battle(self) -> bool:
        """Whether there is a battle, seen or not."""
        return self._battle is not None

    @property
    def typed(self) -> str | None:
        """The presenter's own prompt."""
        return self._live.prompt

    @property
    def visible(self) -> Scene:
        """What screens may know of."""
        return EMPTY if self.blank else self.shown

    def type(self, prompt: str) -> None:
        """The presenter's prompt, as it stands in the box."""
        if len(prompt) > MAX_CHARACTERS:
            prompt = "…" + prompt[-MAX_CHARACTERS:]
        if prompt != self._live.prompt:
            if not self.pinned:
                self._released = None
            self._change(Scene(prompt, self._live.picture))

    def offer(self, picture: Picture) -> None:
        """A picture of what the presenter asked for."""
        if picture.final or self.look.previews:
            self._change(Scene(self._live.prompt, picture))

    def release(self, scene: Scene | None, *, pinned: bool = False) -> None:
        """A picture of the audience is shown; None: the presenter's own again."""
        before = self.visible
        self._released, self.pinned = scene, pinned
        self._settle(before)

    def withdraw(self, entries: Collection[int]) -> None:
        """Pictures of the audience must not be seen any more, frozen or not."""
        before = self.visible
        if self._released is not None and self._released.entry in entries:
            self._released, self.pinned = None, False
        if self._seen.entry in entries:
            self._seen = EMPTY
        self._settle(before)

    def fight(self, board: Board | None, *, withdrawn: bool = False) -> None:
        """A battle as it stands now; None: there is none.

        Args:
            withdrawn: what was seen of it before must not be seen any more, frozen or not.
        """
        before = self.visible
        self._battle = None if board is None else Scene(battle=board)
        if withdrawn and self._seen.battle is not None:
            self._seen = EMPTY
        self._settle(before)

    def tell(
        self, *, credits: bool, votes: int | None, invitation: Mapping[str, Any] | None
    ) -> None:
        """What it says of the audience."""
        before = self.credits, self.votes, self.invitation
        self.credits, self.votes, self.invitation = credits, votes, invitation
        if before != (credits, votes, invitation):
            self._wake_followers()

    def set(self, *, frozen: bool, blank: bool, look: Look) -> None:
        """What the presenter wants."""
        if (frozen, blank, look) == (self.frozen, self.blank, self.look):
            return
        self.frozen, self.blank, self.look = frozen, blank, look
        self._settle()
        self._wake_followers()

    def state(self) -> dict[str, Any]:
        """All that a screen shows but the picture, as a message."""
        scene = self.visible
        return {
            "type": "scene",
            "blank": self.blank,
            "prompt": scene.prompt,
            "picture": bool(scene.pictures),
            "sent": scene.entry != 0,
            "by": scene.by if self.credits else None,
            "votes": self.votes if scene.entry else None,
            "battle": None if scene.battle is None else scene.battle.state,
            "look": asdict(self.look),
        }

    def join(self, follower: Watcher, screen: Screen) -> None:
        """One more looks."""
        self.followers[follower] = screen
        self._wake_presenter()

    def leave(self, follower: Watcher) -> None:
        """One looks no more."""
        if self.followers.pop(follower, None) is not None:
            self._wake_presenter()

    def close(self) -> None:
        """It is gone; who still looks ought to leave."""
        self.closed = True
        self._wake_followers()

    def _change(self, scene: Scene) -> None:
        before, self._live = self.visible, scene
        self._settle(before)

    @property
    def _newest(self) -> Scene:
        return self._battle or self._released or self._live

    def _settle(self, before: Scene | None = None) -> None:
        """Remembers what is seen; tells who looks if that is not what was to be seen before."""
        if not (self.frozen or self.blank):
            self._seen = self._newest
        if before is not None and self.visible is not before:
            self._wake_followers()

    def _wake_followers(self) -> None:
        for follower in self.followers:
            follower.wake()

    def _wake_presenter(self) -> None:
        if self.presenter is not None:
            self.presenter.wake()


@dataclass(frozen=True, slots=True)
class Screen:
    """A follower's screen, by its own account.

    Attributes:
        width, height: device pixels; 0: not told.
        desk: whether it is the small picture on a presenter's desk.
    """

    width: int = 0
    height: int = 0
    desk: bool = False
