"""What one round of a battle has: its phases, what each side has in it, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ....errors import LightningError
from ..wall import Picture
from .plan import Verdict
from .sides import Side

Phase = Literal[
    "gather",
    "painting",
    "countdown",
    "typing",
    "settling",
    "voting",
    "measuring",
    "judging",
    "verdict",
    "over",
]
BETWEEN = ("gather", "verdict", "over")  # rounds
TIMED = ("countdown", "typing", "voting")  # phases whose seconds are shown


class NotNow(LightningError):
    """It does not fit what is going on."""

    status = 409


@dataclass(slots=True)
class Stand:
    """What one side has in the round that is on.

    Attributes:
        finished: whether the picture is the last one of these words; of no words there is none.
    """

    prompt: str = ""
    picture: Picture | None = None
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """How a round has ended.

    Attributes:
        winner: None: a tie, which is a point for nobody.
        figures: votes, or likeness in per cent; empty where hands were counted.
    """

    winner: Side | None
    verdict: Verdict
    figures: Mapping[Side, int]
