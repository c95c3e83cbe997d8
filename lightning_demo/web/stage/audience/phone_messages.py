"""What a phone says, read from untrusted text: one thing a message.

`{"join": token}`, first and once; `{"prompt": text, "sequence": n, "seed": n}`, `{"name": text}`,
`{"send": n}`, where n is the sequence of what it has seen finished, `{"vote": entry, "on": true}`
and `{"seen": n}`; in a battle `{"volunteer": true}`, `{"decline": true}` and `{"ballot": "a"}`. It
is answered by `welcome`, `hall`, `line`, `status`, `target`, `error` and frames, and where
something is refused by a message of the same type as its kind, with a `problem`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ....errors import InvalidRequest
from ....schemas import MAX_SEED
from ...messages import MAX_SEQUENCE, load_json
from ..battle.sides import SIDES

MAX_BYTES = 16_384  # of one message
MAX_TEXT = 4_000  # characters, before it is cleaned
FIELDS = {
    "join": {"join"},
    "prompt": {"prompt", "sequence", "seed"},
    "name": {"name"},
    "send": {"send"},
    "vote": {"vote", "on"},
    "seen": {"seen"},
    "volunteer": {"volunteer"},
    "decline": {"decline"},
    "ballot": {"ballot"},
}


@dataclass(frozen=True, slots=True)
class PhoneMessage:
    """One message; the fields that its kind has are set."""

    kind: str = "problem"
    text: str = ""  # token, prompt, name or side
    number: int = 0  # sequence, entry or count
    seed: int = 0
    on: bool = True
    problem: str = ""


def parse(text: str | bytes) -> PhoneMessage:
    """Reads a message; a malformed one has a `problem`."""
    try:
        return _parse(text)
    except (InvalidRequest, ValueError) as problem:
        return PhoneMessage(problem=str(problem)[:200])


def refusal(message: str, why: str) -> str:
    """The last that a phone is told, as text."""
    return json.dumps({"type": "refused", "message": message, "why": why})


def _parse(text: str | bytes) -> PhoneMessage:
    if len(text) > MAX_BYTES:
        raise InvalidRequest(f"message: at most {MAX_BYTES:,} bytes are allowed.")
    content = load_json(text)
    kind = next((name for name in FIELDS if isinstance(content, dict) and name in content), None)
    if kind is None or not content.keys() <= FIELDS[kind]:
        raise InvalidRequest("message: it is none that phones send.")
    if kind in ("join", "name", "prompt"):
        words = content[kind]
        if not isinstance(words, str) or len(words) > MAX_TEXT:
            raise InvalidRequest(f"{kind}: must be a text of at most {MAX_TEXT:,} characters.")
        if kind != "prompt":
            return PhoneMessage(kind, words)
        seed = _count("seed", content.get("seed", 0), MAX_SEED)
        return PhoneMessage(kind, words, _count("sequence", content.get("sequence")), seed)
    if kind in ("volunteer", "decline"):
        return PhoneMessage(kind, on=_switch(kind, content[kind]))
    if kind == "ballot":
        if content[kind] not in SIDES:
            raise InvalidRequest("ballot: must be a or b.")
        return PhoneMessage(kind, content[kind])
    number = _count(kind, content[kind])
    return PhoneMessage(kind, number=number, on=_switch("on", content.get("on", True)))


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name}: must be true or false.")
    return value


def _count(name: str, value: Any, most: int = MAX_SEQUENCE) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidRequest(f"{name}: must be a whole number from 0 to {most}.")
    return value
