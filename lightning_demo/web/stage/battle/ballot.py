"""The hall's vote on one round: each phone once, players not, and only who was there before."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ....errors import LightningError
from .sides import SIDES, Side


class MayNotVote(LightningError):
    """This phone has no vote in this round."""

    status = 403


class Ballot:
    """Votes by the number of whoever votes; another vote of the same one replaces the first."""

    def __init__(self, voters: Iterable[int], players: Collection[int]) -> None:
        """
        Args:
            voters: numbers of those who are there now. Nobody who comes later votes, or one phone
                could join again and again.
            players: numbers of those of them who play.
        """
        self._voters = set(voters) - set(players)
        self._choices: dict[int, Side] = {}

    def __len__(self) -> int:
        """Votes so far."""
        return len(self._choices)

    def may_vote(self, number: int) -> bool:
        """Whether this one has a vote."""
        return number in self._voters

    def choice(self, number: int) -> Side | None:
        """What this one has voted for."""
        return self._choices.get(number)

    def vote(self, number: int, side: Side) -> None:
        """
        Raises:
            MayNotVote: it plays, or came too late.
        """
        if number not in self._voters:
            raise MayNotVote("Players do not vote, nor who came after the vote began.")
        self._choices[number] = side

    def forget(self, number: int) -> None:
        """Somebody is banned: the vote does not count."""
        self._voters.discard(number)
        self._choices.pop(number, None)

    def count(self) -> dict[Side, int]:
        """Votes for each side."""
        chosen = list(self._choices.values())
        return {side: chosen.count(side) for side in SIDES}
