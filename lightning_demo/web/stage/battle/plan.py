"""What the presenter's desk says of a battle: the plan, said anew each time, and orders.

A round is played by the plan as it stands when the round begins. Orders are numbered by the page,
which says them again until they are told to be done; the rules refuse those that do not fit what is
going on, so that one that comes twice over a lost line does nothing the second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from ....errors import InvalidRequest
from ...messages import MAX_SEQUENCE
from ..audience.clean import NAME_CHARACTERS, PROMPT_CHARACTERS, clean
from .sides import SIDES, Side

MIN_SECONDS, MAX_SECONDS = 10, 600  # of typing
MAX_ROUNDS = 9
MAX_ORDERS = 64

Target = Literal["theme", "picture"]
Players = Literal["lot", "volunteers", "named", "keyboards"]
Verdict = Literal["hall", "likeness", "hands"]
CHOICES: dict[str, tuple[str, ...]] = {
    "target": ("theme", "picture"),
    "players": ("lot", "volunteers", "named", "keyboards"),
    "verdict": ("hall", "likeness", "hands"),
}
VERBS = (
    "gather",  # a battle is on: the wall shows it, and players may come
    "seat",  # somebody, by the number of the phone, on a side
    "draw",  # somebody by lot on a side
    "vacate",  # nobody on a side
    "ban",  # away with the phone of a side
    "paint",  # the target of the next round, for the desk's eyes
    "start",  # the next round
    "cut",  # typing or voting ends now
    "cancel",  # the round does not count
    "award",  # the presenter decides, where hands were counted; without a side: a tie
    "finish",  # the score is final
    "reset",  # from the first round on, with the same players
    "stop",  # no battle any more
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a battle is played.

    Attributes:
        target: whether players paint to a theme, or after a picture that the demo has painted.
        lines: a theme a round, the last one for all that follow; or the secret prompt of each.
        seconds: of typing, `MIN_SECONDS` to `MAX_SECONDS`.
        rounds: 1 to `MAX_ROUNDS`.
        players: where they come from.
        verdict: who decides a round: phones, how alike a picture is to the target, or the
            presenter after a show of hands.
        turns: whether one types after the other, on one keyboard; so many seconds each.
        name_a, name_b: of the players at keyboards; empty: the side's letter.
    """

    target: Target = "theme"
    lines: tuple[str, ...] = ()
    seconds: int = 60
    rounds: int = 3
    players: Players = "lot"
    verdict: Verdict = "hall"
    turns: bool = False
    name_a: str = ""
    name_b: str = ""

    @classmethod
    def parse(cls, found: object) -> Plan:
        """
        Raises:
            InvalidRequest: naming the first field at fault and what is allowed.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(found, Mapping) or not found.keys() <= set(known):
            raise InvalidRequest(f"plan: its fields are {', '.join(known)}.", field="plan")
        given = dict(found)
        for name, allowed in CHOICES.items():
            if given.get(name, allowed[0]) not in allowed:
                raise InvalidRequest(f"{name}: must be one of {', '.join(allowed)}.", field=name)
        for name, low, high in (("seconds", MIN_SECONDS, MAX_SECONDS), ("rounds", 1, MAX_ROUNDS)):
            value = given.get(name, low)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InvalidRequest(
                    f"{name}: must be a whole number from {low} to {high}.", field=name
                )
        if not isinstance(given.get("turns", False), bool):
            raise InvalidRequest("turns: must be true or false.", field="turns")
        for name in ("name_a", "name_b"):
            given[name] = _text(name, given.get(name, ""), NAME_CHARACTERS)
        given["lines"] = _lines(given.get("lines", []))
        plan = cls(**given)
        if plan.verdict == "likeness" and plan.target != "picture":
            raise InvalidRequest(
                "verdict: likeness is to a target picture; a theme has none.", field="verdict"
            )
        return plan

    def line(self, round: int) -> str:
        """The theme or secret prompt of a round, counted from 1.

        Raises:
            InvalidRequest: there is none.
        """
        if self.target == "theme" and self.lines:
            return self.lines[min(round, len(self.lines)) - 1]
        if round > len(self.lines):
            what = "a theme" if self.target == "theme" else "a secret prompt of its own"
            raise InvalidRequest(f"lines: round {round} needs {what}.", field="lines")
        return self.lines[round - 1]


@dataclass(frozen=True, slots=True)
class Order:
    """Something that the presenter does to a battle."""

    number: int  # ascending
    verb: str
    side: Side | None = None
    phone: int = 0  # its number


def parse_orders(found: object) -> tuple[Order, ...]:
    """
    Raises:
        InvalidRequest: they are not as they must be.
    """
    if not isinstance(found, list) or len(found) > MAX_ORDERS:
        raise InvalidRequest(f"orders: must be a list of at most {MAX_ORDERS}.", field="orders")
    return tuple(_order(each) for each in found)


def _order(found: object) -> Order:
    known = {"number", "verb", "side", "phone"}
    if not isinstance(found, Mapping) or not {"number", "verb"} <= found.keys() <= known:
        raise InvalidRequest("orders: each has number and verb, perhaps side or phone.")
    if found["verb"] not in VERBS:
        raise InvalidRequest(f"verb: must be one of {', '.join(VERBS)}.", field="verb")
    side = found.get("side")
    if side not in (None, *SIDES):
        raise InvalidRequest("side: must be a or b.", field="side")
    return Order(_count(found["number"]), found["verb"], side, _count(found.get("phone", 0)))


def _lines(found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or len(found) > MAX_ROUNDS + 1:
        raise InvalidRequest(
            f"lines: at most {MAX_ROUNDS + 1}, one a round and one for a tie.", field="lines"
        )
    cleaned = (_text("lines", each, PROMPT_CHARACTERS) for each in found)
    return tuple(line for line in cleaned if line)


def _text(name: str, value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > 16 * most:
        raise InvalidRequest(f"{name}: must be a text of at most {most} characters.", field=name)
    text = clean(value, most + 1)
    if len(text) > most:
        raise InvalidRequest(f"{name}: must be a text of at most {most} characters.", field=name)
    return text


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQUENCE:
        raise InvalidRequest("orders: number and phone must be whole numbers.", field="orders")
    return value
