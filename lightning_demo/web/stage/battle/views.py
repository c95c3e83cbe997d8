"""What wall, desk, phones and keyboards see of a battle: as messages, made anew each time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..audience.members import Member
from ..wall import Board, Picture
from .battle import Battle
from .sides import COLOURS, SIDES, Side
from .target import Target

if TYPE_CHECKING:
    from .ring import Ring

BEFORE = ("gather", "painting")  # phases in which nobody may know the target
MOST_VOLUNTEERS = 40  # that the desk lists


def shown_target(ring: Ring) -> Target | None:
    """The target picture of the round, once all may see it."""
    shown = ring.battle is not None and ring.battle.phase not in BEFORE
    return ring.target if shown else None


def board(ring: Ring) -> Board:
    """The wall's view; words of a secret prompt are told when the round is decided."""
    battle = ring.battle
    assert battle is not None  # noqa: S101 - there is no board without a battle
    pictures: dict[str, Picture] = {}
    for side in SIDES:
        picture = battle.stands[side].picture
        if picture is not None:
            pictures[side] = picture
    target = shown_target(ring)
    if target is not None:
        pictures["target"] = target.picture
    state = {
        **_common(ring, battle),
        "votes": len(battle.ballot) if battle.ballot is not None else None,
        "sides": {side: _side(ring, battle, side) for side in SIDES},
        "pictures": list(pictures),
    }
    return Board(state, pictures)


def phone(ring: Ring, member: Member) -> dict[str, Any] | None:
    """A phone's view; None: there is no battle."""
    battle = ring.battle
    if battle is None:
        return None
    side = ring.side_of(member)
    seen = player(ring, side)
    if side is None:
        del seen["left"]  # a hall of phones need not be told each second
        seen["prompts"] = None
        ballot = battle.ballot if battle.phase == "voting" else None
        if ballot is not None:
            seen["prompts"] = {each: battle.stands[each].prompt for each in SIDES}
        seen["may_vote"] = ballot is not None and ballot.may_vote(member.number)
        seen["choice"] = ballot.choice(member.number) if ballot is not None else None
        asked = ring.plan.players == "volunteers" and not battle.running
        asked = asked and battle.phase != "over"
        seen["volunteer"] = member.number in ring.volunteers if asked else None
    return seen


def player(ring: Ring, side: Side | None) -> dict[str, Any]:
    """A player's view: of the other side no words."""
    battle = ring.battle
    assert battle is not None  # noqa: S101 - nobody plays without a battle
    seen = {**_common(ring, battle), "side": side}
    seen["sides"] = {
        each: {"by": _credit(ring, each), "colour": COLOURS[each], "wins": battle.wins[each]}
        for each in SIDES
    }
    if side is not None:
        seen["prompt"] = battle.stands[side].prompt
        seen["types"] = battle.types(side)
    return seen


def desk(ring: Ring, done: int) -> dict[str, Any]:
    """The presenter's view, as a message."""
    battle = ring.battle
    found: dict[str, Any] = {
        "type": "battle",
        "on": battle is not None,
        "done": done,
        "problem": ring.plan_problem or ring.problem,
        "audience": ring.has_phones,
    }
    if battle is None:
        return found
    listed = list(ring.volunteers.values())[:MOST_VOLUNTEERS]
    return {
        **found,
        **_common(ring, battle),
        "codes": ring.codes if ring.plan.players == "keyboards" else None,
        "sides": {side: _side(ring, battle, side) for side in SIDES},
        "volunteers": [member.credit() for member in listed],
        "votes": battle.ballot.count() if battle.ballot is not None else None,
        "played": len(battle.results),
        "leader": battle.leader,
        "prepared": ring.prepared.line if ring.prepared is not None else None,
        "results": [
            {**asdict(result), "figures": dict(result.figures)} for result in battle.results
        ],
    }


def _common(ring: Ring, battle: Battle) -> dict[str, Any]:
    plan = battle.plan if battle.running or battle.results else ring.plan
    decided = battle.phase in ("verdict", "over")
    told = battle.phase not in BEFORE and (plan.target == "theme" or decided)
    return {
        "phase": battle.phase,
        "asks": ring.plan.players == "volunteers",  # phones, who would like to play
        "round": battle.round,
        "rounds": max(ring.plan.rounds, battle.round),
        "left": battle.left(ring.now()),
        "turn": battle.turn,
        "target": plan.target,
        "line": battle.line if told else None,
        "verdict": plan.verdict,
        "winner": battle.results[-1].winner if decided and battle.results else None,
        "leader": battle.leader if battle.phase == "over" else None,
    }


def _side(ring: Ring, battle: Battle, side: Side) -> dict[str, Any]:
    stand, player = battle.stands[side], ring.players[side]
    # Who types second shall not read what the first has typed.
    hidden = battle.turn is not None and battle.turn != side and bool(stand.prompt)
    figures = battle.results[-1].figures if battle.phase == "verdict" else {}
    return {
        "by": _credit(ring, side),
        "colour": COLOURS[side],
        "here": player is not None and player.here,
        "prompt": "" if hidden else stand.prompt,
        "hidden": hidden,
        "wins": battle.wins[side],
        "figure": figures.get(side),
    }


def _credit(ring: Ring, side: Side) -> dict[str, Any] | None:
    player = ring.players[side]
    if player is None:
        return None
    credit = player.credit()
    return {**credit, "name": ""} if ring.anonymous and player.number else credit
