"""What the presenter's desk does to a battle; nobody else comes here.

Faults of the plan or of an order are told on the desk and hinder nothing else: a wrong number of
seconds must not keep a wall from going blank.
"""

from __future__ import annotations

from collections.abc import Mapping

from ....errors import InvalidRequest, LightningError
from ..audience.members import Member
from .battle import Battle
from .plan import Order, Plan, parse_orders
from .players import PhonePlayer
from .ring import Ring
from .round import NotNow
from .sides import SIDES, Side


class Orders:
    """The presenter's hand in one ring."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def wish(self, fields: object, done: int) -> int:
        """What the desk says of the battle.

        Args:
            done: the number of the newest order that has been obeyed.

        Returns:
            The same, afterwards.
        """
        ring = self._ring
        if not isinstance(fields, Mapping) or not fields.keys() <= {"plan", "orders"}:
            ring.problem = "battle: its fields are plan and orders."
            return done
        try:
            ring.plan, ring.plan_problem = Plan.parse(fields.get("plan", {})), ""
        except InvalidRequest as problem:
            ring.plan_problem = problem.message
        try:
            orders = parse_orders(fields.get("orders", []))
        except InvalidRequest as problem:
            ring.problem = problem.message
            return done
        for order in orders:
            if order.number > done:
                done = order.number
                self._try(order)
        ring.fit_players()
        ring.tell()
        return done

    def _try(self, order: Order) -> None:
        ring = self._ring
        ring.problem = ""
        try:
            self._obey(order)
        except LightningError as problem:
            ring.problem = problem.message

    def _obey(self, order: Order) -> None:
        """
        Raises:
            LightningError: that cannot be done now.
        """
        ring = self._ring
        if order.verb == "gather":
            self._check_plan()
            ring.gather()
        elif order.verb == "stop":
            ring.stop()
        else:
            self._go_on(order, ring.needed())
            ring.advance()

    def _go_on(self, order: Order, battle: Battle) -> None:
        """What there has to be a battle for."""
        if order.verb in ("seat", "draw", "vacate", "ban"):
            self._change(order, battle)
        elif order.verb == "paint":
            self._prepare(battle)
        elif order.verb == "start":
            self._start(battle)
        elif order.verb == "cut":
            battle.cut(self._ring.now())
        elif order.verb == "cancel":
            self._ring.cancel()
        elif order.verb == "award":
            battle.award(order.side)
        elif order.verb == "finish":
            battle.finish()
        elif order.verb == "reset":
            self._ring.cancel()
            battle.reset()

    def _start(self, battle: Battle) -> None:
        ring = self._ring
        self._check_plan()
        battle.check_start(ring.plan)
        for side in SIDES:
            player = ring.players[side]
            if player is None:
                raise InvalidRequest(f"players: side {side.upper()} has nobody yet.")
            if not player.here:
                raise NotNow(f"Player {side.upper()} is not connected: wait, or choose another.")
        ring.start()

    def _prepare(self, battle: Battle) -> None:
        """Paints the next round's target where only the desk sees it; again: with another seed."""
        ring = self._ring
        self._check_plan()
        if ring.plan.target != "picture":
            raise NotNow("A theme has no picture.")
        battle.check_start(ring.plan)
        ring.prepare(ring.plan.line(len(battle.results) + 1))

    def _change(self, order: Order, battle: Battle) -> None:
        """Another player, or none."""
        ring, side = self._ring, order.side
        if side is None:
            raise InvalidRequest("side: must be a or b.", field="side")
        player = ring.players[side]
        if order.verb == "ban":
            if isinstance(player, PhonePlayer) and ring.ban is not None:
                ring.ban(player.member, ring.now())
            return
        if battle.running:
            raise NotNow("A round is on; cancel it first.")
        if order.verb == "vacate":
            ring.put(side, None)
        elif not ring.has_phones or ring.plan.players == "keyboards":
            raise InvalidRequest("players: keyboards come by their codes.", field="players")
        else:
            found = self._named(order) if order.verb == "seat" else self._drawable(side)
            ring.put(side, PhonePlayer(ring.lot(found)))

    def _named(self, order: Order) -> list[Member]:
        """The phone of a number.

        Raises:
            InvalidRequest: it cannot play.
        """
        found = [member for member in self._ring.phones if member.number == order.phone]
        if not found:
            raise InvalidRequest(f"phone: number {order.phone} is not here.", field="phone")
        if self._ring.side_of(found[0]) is not None:
            raise InvalidRequest(f"phone: number {order.phone} plays already.", field="phone")
        return found

    def _drawable(self, side: Side) -> list[Member]:
        """All that may be drawn for a side: who plays already is not.

        Raises:
            InvalidRequest: nobody is there.
        """
        ring = self._ring
        willing = ring.plan.players == "volunteers"
        found = [
            member
            for member in ring.phones
            if ring.side_of(member) is None and (not willing or member.number in ring.volunteers)
        ]
        if not found:
            who = "volunteers" if willing else "phones"
            raise InvalidRequest(f"players: there are no {who} to draw from.", field="players")
        return found

    def _check_plan(self) -> None:
        """
        Raises:
            InvalidRequest: no battle can be played by this plan here.
        """
        ring = self._ring
        if ring.plan_problem:
            raise InvalidRequest(ring.plan_problem)
        if ring.has_phones:
            return
        if ring.plan.players != "keyboards":
            raise InvalidRequest(
                "players: no phones take part without --audience; choose keyboards.",
                field="players",
            )
        if ring.plan.verdict == "hall":
            raise InvalidRequest(
                "verdict: no phones vote without --audience; choose likeness or hands.",
                field="verdict",
            )
