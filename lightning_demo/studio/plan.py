"""What a list asks for: each picture with its seed and the name of its file, and every fault.

Nothing is left to chance after this: the same list with the same seed is the same plan, by which a
batch that was cut off is taken up again.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ..errors import InvalidRequest
from ..schemas import MAX_SEED, GenerationRequest, Limits
from .table import Fault, Row, Table
from .templates import expand
from .wildcards import Lists, draw

MAX_COUNT = 1_000  # pictures of one prompt

# The columns of a list; the shorter names that people write, too.
ALIASES = {
    "negative": "negative_prompt",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
}
FIELDS = tuple(GenerationRequest.__dataclass_fields__)
COLUMNS = (*FIELDS, *ALIASES, "size", "count")
SIZE = re.compile(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a plan may be."""

    pictures: int = 100_000
    characters: int = 2**29  # of their prompts, negative prompts and templates together


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a batch."""

    number: int  # from 1, in the order of the list
    line: int
    template: str  # the prompt as the list has it
    request: GenerationRequest

    def file(self, of: int, format: str) -> str:
        """Its file's name in a batch of so many pictures."""
        words = "-".join(re.findall(r"[a-z0-9]+", self.request.prompt.lower()))[:60].strip("-")
        return f"{self.number:0{len(str(of))}d}-{words or 'picture'}.{format}"


@dataclass(slots=True)
class Plan:
    """All pictures of a list that can be painted, and its other lines."""

    pictures: list[Picture] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def make_plan(
    table: Table,
    limits: Limits,
    defaults: Mapping[str, Any],
    seed: int,
    lists: Lists | None = None,
    bounds: Bounds = BOUNDS,
) -> Plan:
    """Checks every row.

    Args:
        defaults: fields for the rows that do not say them.
        seed: of the batch; draws the seeds that no row says.

    Raises:
        InvalidRequest: there are too many pictures, or none and no fault.
    """
    plan, room = Plan(faults=list(table.faults)), bounds.characters
    for row in table.rows:
        before = len(plan.pictures)
        try:
            for template, request in _requests(row, limits, defaults, seed, lists or {}):
                number = len(plan.pictures) + 1
                room -= len(template) + len(request.prompt) + len(request.negative_prompt)
                if number > bounds.pictures or room < 0:
                    raise _TooMuch
                plan.pictures.append(Picture(number, row.line, template, request))
        except _TooMuch:
            what = (
                f"more than {bounds.pictures:,} pictures"
                if room >= 0
                else f"pictures of more than {bounds.characters:,} characters"
            )
            raise InvalidRequest(f"The list asks for {what}.") from None
        except InvalidRequest as error:
            del plan.pictures[before:]
            plan.faults.append(Fault(row.line, error.message))
    if not plan.pictures and not plan.faults:
        raise InvalidRequest("There is nothing in the list.")
    plan.faults.sort(key=lambda fault: fault.line)
    return plan


class _TooMuch(Exception):
    """A plan has reached its bounds."""


def _requests(
    row: Row, limits: Limits, defaults: Mapping[str, Any], seed: int, lists: Lists
) -> Iterator[tuple[str, GenerationRequest]]:
    """The pictures of a row, each with its template."""
    fields = {**defaults, **_named(row.fields)}
    count = _count(fields.pop("count", 1))
    base = GenerationRequest.parse(fields, limits)  # all that the pictures have in common
    drawn = _drawn(seed, row.line)
    for prompt in expand(base.prompt):
        # A row's own seed is every prompt's, so that only the words differ between them.
        seeds = _following(base.seed) if "seed" in fields else drawn
        for own in islice(seeds, count):
            said = {**base.as_dict(), "prompt": draw(prompt, lists, own), "seed": own}
            yield base.prompt, GenerationRequest.parse(said, limits)


def _named(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A row's fields by the names of a request's.

    Raises:
        InvalidRequest: one is said twice, or the size is none.
    """
    named: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "size":
            found = SIZE.fullmatch(value) if isinstance(value, str) else None
            if not found:
                raise InvalidRequest("size: must be WIDTHxHEIGHT, as in 1024x1024.", field="size")
            said = {"width": int(found[1]), "height": int(found[2])}
        else:
            said = {ALIASES.get(name, name): value}
        if both := named.keys() & said.keys():
            raise InvalidRequest(f"{min(both)}: is said twice.", field=min(both))
        named |= said
    return named


def _count(value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or value % 1 or not 1 <= value <= MAX_COUNT:
        raise InvalidRequest(
            f"count: must be a whole number from 1 to {MAX_COUNT:,}.", field="count"
        )
    return int(value)


def _following(seed: int) -> Iterator[int]:
    """The seeds from one on."""
    while True:
        yield seed
        seed = (seed + 1) % (MAX_SEED + 1)


def _drawn(seed: int, line: int) -> Iterator[int]:
    """A row's own seeds, wherever in the list it stands beside which others."""
    for number in itertools.count():
        digest = hashlib.sha256(f"{seed} {line} {number}".encode()).digest()
        yield int.from_bytes(digest[:4], "big")
