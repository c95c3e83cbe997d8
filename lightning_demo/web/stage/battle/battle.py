"""The rules of a prompt battle, on a clock that is handed in: no socket, no task, no engine.

    gather -> (painting) -> countdown -> typing -> settling -> voting | measuring | judging
      ^                         ^                                                      |
      +-- cancel, at any time   +------------------ the next round -------- verdict <--+ -> over

Painting is the target's. Settling waits until what was typed last has been painted, for a while.
Where one keyboard is shared, countdown and typing come twice, for one side each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ....errors import InvalidRequest
from ..wall import Picture
from .ballot import Ballot
from .plan import Plan
from .round import BETWEEN, TIMED, NotNow, Phase, Result, Stand
from .sides import SIDES, Side, other

COUNTDOWN_SECONDS = 3.0
SETTLE_SECONDS = 20.0  # for the last words' pictures, at most: a slow device must not end a talk
VOTE_SECONDS = 20.0


class Battle:
    """One battle, from the first round to the last.

    Attributes:
        plan: of the round that is on, or was last.
        line: its theme or secret prompt.
        seed: that both sides and the target are painted with.
        until: when the phase ends by itself; None: it does not.
        turn: the side that types; None: both.
        ballot: the hall's, from the vote on.
    """

    def __init__(self, open_ballot: Callable[[], Ballot]) -> None:
        """
        Args:
            open_ballot: makes the ballot of those who are there when a vote begins.
        """
        self._open_ballot = open_ballot
        self.phase: Phase = "gather"
        self.plan = Plan()
        self.line, self.seed = "", 0
        self.until: float | None = None
        self.turn: Side | None = None
        self.ballot: Ballot | None = None
        self.results: list[Result] = []
        self.stands: dict[Side, Stand] = {side: Stand() for side in SIDES}

    # What is known ----------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a round is on."""
        return self.phase not in BETWEEN

    @property
    def round(self) -> int:
        """The round that is on, was just decided, or comes first; from 1."""
        decided = self.phase in ("verdict", "over") and self.results
        return len(self.results) + (0 if decided else 1)

    @property
    def wins(self) -> dict[Side, int]:
        """Rounds won by each side."""
        winners = [result.winner for result in self.results]
        return {side: winners.count(side) for side in SIDES}

    @property
    def leader(self) -> Side | None:
        """Who has won more rounds; None: neither."""
        return _more(self.wins)

    @property
    def first(self) -> Side:
        """The side that begins this round, where they take turns."""
        return SIDES[len(self.results) % 2]

    def types(self, side: Side) -> bool:
        """Whether this side may type now."""
        return self.phase == "typing" and self.turn in (None, side)

    def left(self, now: float) -> int | None:
        """Whole seconds that the phase lasts, as a clock shows them; None: it shows none."""
        if self.until is None or self.phase not in TIMED:
            return None
        return max(0, math.ceil(self.until - now - 0.005))  # a timer may come a little early

    def next_change(self, now: float) -> float | None:
        """Seconds until the clock shows another number, or the phase ends; None: never."""
        if self.until is None:
            return None
        left = max(0.0, self.until - now)
        return min(left, left % 1 or 1.0)

    # What the presenter does ------------------------------------------------------------------

    def check_start(self, plan: Plan) -> None:
        """
        Raises:
            LightningError: no round can begin by this plan.
        """
        if self.running:
            raise NotNow("A round is on; end or cancel it first.")
        played = len(self.results)
        if self.phase == "over" or (played >= plan.rounds and self.leader is not None):
            raise NotNow("That was the last round: raise their number, or start from the first.")
        plan.line(played + 1)

    def start(self, plan: Plan, seed: int, now: float) -> None:
        """The next round begins; beyond the last one while the score is even.

        Raises:
            LightningError: as of `check_start`.
        """
        self.check_start(plan)
        self.plan, self.line, self.seed = plan, plan.line(len(self.results) + 1), seed
        self._clear()
        self.turn = self.first if plan.turns else None
        if plan.target == "picture":
            self.phase, self.until = "painting", None
        else:
            self._count(now)

    def target_painted(self, now: float) -> None:
        """The target is there."""
        if self.phase == "painting":
            self._count(now)

    def cut(self, now: float) -> None:
        """Typing, a turn or the vote ends at once.

        Raises:
            NotNow: there is nothing to be ended.
        """
        if self.phase not in ("typing", "voting"):
            raise NotNow("Nobody types or votes at the moment.")
        self.until = now

    def cancel(self) -> None:
        """The round that is on does not count, and can be begun anew."""
        if self.running:
            self.phase, self.until = "gather", None
            self._clear()

    def erase(self, side: Side) -> None:
        """Nothing is left of what a side has typed and painted."""
        self.stands[side] = Stand()

    def award(self, side: Side | None) -> None:
        """Who has won by the presenter's count; None: a tie.

        Raises:
            NotNow: that is not asked.
        """
        if self.phase != "judging":
            raise NotNow("There is nothing to be decided at the moment.")
        self._conclude(side, {})

    def finish(self) -> None:
        """The score is final.

        Raises:
            NotNow: a round is on, or none was played.
        """
        if self.running or not self.results:
            raise NotNow("There is no score yet, or a round is on.")
        self.phase = "over"

    def reset(self) -> None:
        """From the first round on."""
        self.phase, self.until = "gather", None
        self.results.clear()
        self._clear()

    # What players do ----------------------------------------------------------------------------

    def type(self, side: Side, prompt: str) -> None:
        """A side's words as they stand in the box, clean.

        Raises:
            InvalidRequest: not now.
        """
        if not self.types(side):
            early = self.phase in ("gather", "painting", "countdown")
            early |= self.phase == "typing" and self.turn == self.first  # its own comes after that
            raise InvalidRequest("Wait for the start." if early else "Time is up.")
        stand = self.stands[side]
        if prompt != stand.prompt:
            stand.prompt, stand.finished = prompt, not prompt
            if not prompt:
                stand.picture = None

    def paint(self, side: Side, prompt: str, picture: Picture) -> None:
        """A picture of what a side has typed, perhaps some keys ago; too late it is left out."""
        stand = self.stands[side]
        if self.phase in ("countdown", "typing", "settling") and stand.prompt:
            stand.picture = picture
            stand.finished = picture.final and prompt == stand.prompt

    def miss(self, side: Side, prompt: str) -> None:
        """There is no picture of these words, or it is not to be seen; the one before stays."""
        stand = self.stands[side]
        stand.finished = stand.finished or prompt == stand.prompt

    # Time ---------------------------------------------------------------------------------------

    def advance(self, now: float) -> bool:
        """What happens by itself; called often. Whether the phase has changed."""
        before = self.phase, self.turn
        over = self.until is not None and now >= self.until
        if self.phase == "countdown" and over:
            self.phase, self.until = "typing", now + self.plan.seconds
        elif self.phase == "typing" and over:
            if self.turn == self.first:
                self.turn = other(self.first)
                self._count(now)
            else:
                self.phase, self.until = "settling", now + SETTLE_SECONDS
        if self.phase == "settling":
            settled = all(stand.finished for stand in self.stands.values())
            if settled or (self.until is not None and now >= self.until):
                self._ask(now)
        elif self.phase == "voting" and over and self.ballot is not None:
            counts = self.ballot.count()
            self._conclude(_more(counts), counts)
        return (self.phase, self.turn) != before

    def measured(self, likeness: Mapping[Side, int]) -> None:
        """How alike the pictures are to the target, in whole per cent."""
        if self.phase == "measuring":
            self._conclude(_more(likeness), likeness)

    def _count(self, now: float) -> None:
        self.phase, self.until = "countdown", now + COUNTDOWN_SECONDS

    def _ask(self, now: float) -> None:
        """Time is up: who decides?"""
        self.until, self.turn = None, None
        if self.plan.verdict == "likeness":
            self.phase = "measuring"
        elif self.plan.verdict == "hands":
            self.phase = "judging"
        else:
            self.phase, self.until = "voting", now + VOTE_SECONDS
            self.ballot = self._open_ballot()

    def _conclude(self, winner: Side | None, figures: Mapping[Side, int]) -> None:
        self.results.append(Result(winner, self.plan.verdict, figures))
        self.phase, self.until = "verdict", None

    def _clear(self) -> None:
        self.stands = {side: Stand() for side in SIDES}
        self.ballot, self.turn = None, None


def _more(figures: Mapping[Side, int]) -> Side | None:
    """The side with the larger figure; as they are shown, equal ones are a tie."""
    if figures["a"] == figures["b"]:
        return None
    return "a" if figures["a"] > figures["b"] else "b"
