"""What the phones of the hall say of a battle: I would like to play, or rather not, and votes."""

from __future__ import annotations

from ..audience.members import Member
from ..audience.phone_messages import PhoneMessage
from .ring import Ring
from .round import NotNow
from .sides import Side


def take_part(ring: Ring, member: Member, message: PhoneMessage) -> None:
    """Does what a phone wants; each kind of message has its time.

    Raises:
        LightningError: not now, or not this phone.
    """
    if message.kind == "volunteer":
        volunteer(ring, member, message.on)
    elif message.kind == "decline":
        decline(ring, member)
    elif message.kind == "ballot":
        vote(ring, member, "a" if message.text == "a" else "b")


def volunteer(ring: Ring, member: Member, on: bool) -> None:
    """A phone would like to play, or no more.

    Raises:
        NotNow: that is not asked.
    """
    if ring.battle is None or ring.plan.players != "volunteers":
        raise NotNow("Nobody is asked for at the moment.")
    if on and ring.side_of(member) is None:
        ring.volunteers[member.number] = member
    else:
        ring.volunteers.pop(member.number, None)
    ring.tell()


def decline(ring: Ring, member: Member) -> None:
    """Somebody was chosen who would rather not; between rounds only."""
    side = ring.side_of(member)
    if side is not None and not ring.paused:
        ring.put(side, None)
        ring.problem = f"Player {side.upper()} would rather not: choose another."
        ring.tell()


def vote(ring: Ring, member: Member, side: Side) -> None:
    """One for a side, in the place of the one before.

    Raises:
        LightningError: there is no vote, or not for this phone.
    """
    battle = ring.battle
    if battle is None or battle.phase != "voting" or battle.ballot is None:
        raise NotNow("There is no vote at the moment.")
    battle.ballot.vote(member.number, side)
    ring.tell()
