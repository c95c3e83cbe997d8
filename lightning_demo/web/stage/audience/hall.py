"""What the presenter's desk says about the audience: switches, and acts on single pictures.

Switches are said anew each time, as everything of a desk. Acts are numbered by the page, which says
them again until the server has told that they are done; so none is lost with the line, and none is
done twice on one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ....errors import InvalidRequest
from ...messages import MAX_SEQUENCE

Verb = Literal["release", "pin", "unpin", "skip", "ban"]
VERBS: tuple[Verb, ...] = ("release", "pin", "unpin", "skip", "ban")
Code = Literal["none", "corner", "large"]
CODES: tuple[Code, ...] = ("none", "corner", "large")
MAX_ACTS = 64
LONGEST = 200  # characters of an address


@dataclass(frozen=True, slots=True)
class Hall:
    """How the audience takes part.

    Attributes:
        open: whether phones may paint and send.
        anonymous: whether the wall leaves out who has sent a picture.
        approval: whether the presenter releases each picture; without, they are shown in turn.
        votes: whether the wall shows how many like what it shows.
        code: where the wall shows the code that phones come by.
        address: that it leads to, one of those that the desk was told; empty: the first.
    """

    open: bool = True
    anonymous: bool = False
    approval: bool = True
    votes: bool = False
    code: Code = "none"
    address: str = ""

    @classmethod
    def parse(cls, fields: object) -> Hall:
        """
        Raises:
            InvalidRequest: it is not as it must be.
        """
        if not isinstance(fields, dict) or not fields.keys() <= cls.__dataclass_fields__.keys():
            raise InvalidRequest("audience: it has a field that is not known.")
        for name, value in fields.items():
            if name == "code":
                if value not in CODES:
                    raise InvalidRequest(f"code: must be one of {', '.join(CODES)}.")
            elif name == "address":
                if not isinstance(value, str) or len(value) > LONGEST:
                    raise InvalidRequest(f"address: must be at most {LONGEST} characters.")
            elif not isinstance(value, bool):
                raise InvalidRequest(f"{name}: must be true or false.")
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to a picture, or with "ban" to whoever sent it."""

    number: int  # ascending
    verb: Verb
    entry: int


def parse_acts(fields: object) -> tuple[Act, ...]:
    """
    Raises:
        InvalidRequest: they are not as they must be.
    """
    if not isinstance(fields, list) or len(fields) > MAX_ACTS:
        raise InvalidRequest(f"acts: must be a list of at most {MAX_ACTS}.")
    return tuple(_act(each) for each in fields)


def _act(fields: object) -> Act:
    if not isinstance(fields, Mapping) or fields.keys() != Act.__dataclass_fields__.keys():
        raise InvalidRequest("acts: each has number, verb and entry.")
    if fields["verb"] not in VERBS:
        raise InvalidRequest(f"verb: must be one of {', '.join(VERBS)}.")
    return Act(_count(fields["number"]), fields["verb"], _count(fields["entry"]))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQUENCE:
        raise InvalidRequest("acts: number and entry must be whole numbers.")
    return value
