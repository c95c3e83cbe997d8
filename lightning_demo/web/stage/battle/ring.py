"""The battle of one wall: rules, players, target and time together.

A battle is an explicit exception to "nothing is shown before it is released": from the presenter's
start on, the players' words and pictures are live on the wall, through the word list and whatever
checks pictures. Only the presenter's desk begins, ends or decides anything (`orders`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from ....errors import InvalidRequest
from ....schemas import Frame, GenerationRequest, random_seed
from ..audience.members import Member, Members
from ..audience.words import BLOCKED, WordList
from ..wall import Picture, Wall
from ..walls import ALPHABET, CODE_LENGTH
from . import views
from .ballot import Ballot
from .battle import Battle
from .errand import Errand
from .likeness import likeness
from .plan import Plan
from .players import KeyboardPlayer, PhonePlayer, Player
from .round import NotNow
from .sides import SIDES, Side
from .target import Studio, Target, picture_of, pixels_of


class Ring:
    """Belongs to one event loop.

    Attributes:
        battle: None: there is none.
        plan: the presenter's, for the next round.
        players: by their side; None: nobody yet.
        volunteers: phones that would like to play, by their number.
        codes: by which keyboards come, each for its side.
        target: of the round that is on, or was last.
        prepared: of the next one, seen by the desk alone.
        anonymous: whether names of phones are left out.
        ban: away with a phone, for whatever it does in a battle.
        problem: what is wrong with the presenter's last order; `plan_problem`: with the plan.
        changed: whether phones have yet to be told of something.
    """

    def __init__(
        self,
        wall: Wall,
        words: WordList,
        members: Members | None,
        studio: Studio,
        now: Callable[[], float],
        lot: Callable[[Sequence[Member]], Member] = secrets.choice,
    ) -> None:
        """
        Args:
            members: of the audience; None: there is none.
            now: the time, seconds of any clock.
            lot: draws one of several.
        """
        self.wall, self.now, self.lot = wall, now, lot
        self._words, self._members, self._studio = words, members, studio
        self.battle: Battle | None = None
        self.plan = Plan()
        self.players: dict[Side, Player | None] = dict.fromkeys(SIDES)
        self.volunteers: dict[int, Member] = {}
        self.codes: dict[Side, str] = {}
        self.target: Target | None = None
        self.prepared: Target | None = None
        self.anonymous = self.changed = False
        self.ban: Callable[[Member, float], None] | None = None
        self.problem = self.plan_problem = ""
        self._timer: asyncio.TimerHandle | None = None
        self._errand = Errand(self._done)

    # What is known ----------------------------------------------------------------------------

    @property
    def has_phones(self) -> bool:
        """Whether there is an audience."""
        return self._members is not None

    @property
    def phones(self) -> list[Member]:
        """Those of the audience that are connected."""
        return self._members.connected if self._members is not None else []

    @property
    def paused(self) -> bool:
        """Whether only the players paint: a round is on."""
        return self.battle is not None and self.battle.running

    def side_of(self, member: Member) -> Side | None:
        """The side on which a phone plays."""
        for side, player in self.players.items():
            if isinstance(player, PhonePlayer) and player.member is member:
                return side
        return None

    def needed(self) -> Battle:
        """
        Raises:
            NotNow: there is no battle.
        """
        if self.battle is None:
            raise NotNow("There is no battle.")
        return self.battle

    # What orders come to ------------------------------------------------------------------------

    def gather(self) -> None:
        """A battle is on, if there was none; players may come."""
        if self.battle is None:
            self.battle = Battle(self._open_ballot)
            self.codes = {side: _code() for side in SIDES}
            self.fit_players()

    def stop(self) -> None:
        """No battle any more."""
        self._errand.drop()
        self.battle = self.target = self.prepared = None
        self.codes = {}
        self.volunteers.clear()
        for side in SIDES:
            self.put(side, None)

    def start(self) -> None:
        """The next round; both sides and its target have the same seed.

        Raises:
            LightningError: it cannot begin.
        """
        battle, ready = self.needed(), self.prepared
        line = self.plan.line(len(battle.results) + 1)
        if self.plan.target == "theme" or (ready is not None and ready.line != line):
            ready = None
        battle.start(self.plan, random_seed() if ready is None else ready.seed, self.now())
        self._errand.drop()
        self.target, self.prepared = ready, None
        if ready is not None:
            battle.target_painted(self.now())
        elif battle.phase == "painting":
            self._errand.begin(self._paint_target(battle))

    def prepare(self, line: str) -> None:
        """Paints a target for the next round."""
        self.prepared = None
        self._errand.begin(self._paint_ahead(line))

    def cancel(self) -> None:
        """The round that is on does not count, and its target is known: there will be another."""
        if self.battle is not None and self.battle.running:
            self._errand.drop()
            self.battle.cancel()
            self.target = None

    def put(self, side: Side, player: Player | None) -> None:
        """Somebody else, or nobody, plays on a side."""
        before, self.players[side] = self.players[side], player
        if player is not None:
            self.volunteers.pop(player.number, None)
        if before is not None:
            before.leave()

    def fit_players(self) -> None:
        """Between rounds: keyboards have sides of their own by the plan, phones are chosen."""
        if self.battle is None or self.battle.running:
            return
        keyboards = self.plan.players == "keyboards"
        for side in SIDES:
            if isinstance(self.players[side], KeyboardPlayer) != keyboards:
                self.put(side, KeyboardPlayer(side, self._name_of(side)) if keyboards else None)

    # Phones and keyboards -----------------------------------------------------------------------

    def forget(self, member: Member) -> None:
        """Somebody is banned: out of the battle, and of what is seen of it, frozen or not."""
        self.volunteers.pop(member.number, None)
        battle, side = self.battle, self.side_of(member)
        if battle is None:
            return
        if battle.ballot is not None:
            battle.ballot.forget(member.number)
        if side is not None:
            self.put(side, None)
            self.cancel()
            battle.erase(side)
            self.problem = f"Player {side.upper()} is banned: choose another, and start again."
            self.wall.fight(views.board(self), withdrawn=True)
        self.tell()

    def type(self, side: Side, prompt: str) -> GenerationRequest | None:
        """A player's words, clean; returns what is to be painted of them.

        Raises:
            LightningError: not these, or not now; the last ones stay.
        """
        battle = self.needed()
        if self._words.blocks(prompt):
            raise InvalidRequest(BLOCKED)
        request = self._studio.request(prompt, battle.seed) if prompt else None
        battle.type(side, prompt)
        self._show()
        return request

    def painted(self, side: Side, frame: Frame) -> None:
        """A player's picture, on the wall if it may be."""
        battle, prompt = self.battle, frame.request.prompt
        if battle is None or frame.request.seed != battle.seed:
            return
        if not frame.may_be_shown:
            if frame.final:
                battle.miss(side, prompt)
        elif frame.final or self.wall.look.previews:
            battle.paint(side, prompt, picture_of(frame, side))
        if battle.phase == "settling":
            self._tick()
        else:
            self._show()

    def came_or_went(self) -> None:
        """A player's connection is there, or has gone."""
        if self.battle is not None:
            self.advance()
            self.tell()

    # Time -----------------------------------------------------------------------------------

    def advance(self) -> None:
        """What happens by itself."""
        battle = self.battle
        if battle is None:
            return
        if battle.phase == "settling":
            for side, player in self.players.items():
                if player is None or not player.here:
                    battle.stands[side].finished = True  # nobody is there to wait for
        while battle.advance(self.now()):
            if battle.phase == "measuring":
                self._errand.begin(self._measure(battle))

    def tell(self) -> None:
        """Shows all to everybody, and comes back when the clock moves."""
        self.changed = True
        self._show()
        for player in self.players.values():
            if player is not None:
                player.tell()
        if self.wall.presenter is not None:
            self.wall.presenter.wake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait = self.battle.next_change(self.now()) if self.battle is not None else None
        if wait is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def close(self) -> None:
        """The wall is gone."""
        self.stop()
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.advance()
        self.fit_players()
        self.tell()

    def _show(self) -> None:
        self.wall.fight(views.board(self) if self.battle is not None else None)

    def _open_ballot(self) -> Ballot:
        playing = [player.number for player in self.players.values() if player is not None]
        return Ballot((member.number for member in self.phones), playing)

    def _name_of(self, side: Side) -> Callable[[], str]:
        return lambda: self.plan.name_a if side == "a" else self.plan.name_b

    # What takes a while -------------------------------------------------------------------------

    def _done(self, problem: str) -> None:
        """What took a while has ended, or failed."""
        if problem:
            self.problem = problem
            self.cancel()
        self.tell()

    async def _paint_ahead(self, line: str) -> None:
        self.prepared = await self._studio.paint(line, random_seed())

    async def _paint_target(self, battle: Battle) -> None:
        self.target = await self._studio.paint(battle.line, battle.seed)
        battle.target_painted(self.now())

    async def _measure(self, battle: Battle) -> None:
        found: dict[Side, int] = dict.fromkeys(SIDES, 0)
        for side in SIDES:
            picture, target = battle.stands[side].picture, self.target
            if target is not None and picture is not None and picture.final:
                found[side] = await asyncio.to_thread(_likeness, target.picture, picture)
        battle.measured(found)


def _likeness(target: Picture, picture: Picture) -> int:
    """Both as they were sent: the same words have been through the same JPEG."""
    return likeness(pixels_of(target), pixels_of(picture))


def _code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
