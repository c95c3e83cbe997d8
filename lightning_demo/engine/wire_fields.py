"""Work and a status as JSON, as they travel from one server of this demo to another."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, get_args

from ..errors import InvalidRequest
from ..schemas import EngineState, EngineStatus, GenerationRequest, Limits, Style
from .base import Origin, Work
from .wire import is_number, one_of

MAX_WAITED = 86_400.0  # seconds
MAX_CLIENT = 64  # characters
FLAGS = ("draft", "ahead", "attract", "previews", "paused", "yields")
TEXTS = ("model", "title", "device", "detail", "loading_model", "loading_title", "tier")


def instance() -> str:
    """Names this process, so that a server knows itself when it is asked under another address."""
    return _instance(os.getpid())  # a fork is another server


@cache
def _instance(pid: int) -> str:
    return secrets.token_hex(16)


def work_fields(work: Work, now: float) -> dict[str, Any]:
    """Work, ready for JSON. How long it has waited travels, for clocks differ.

    Of whoever asks only a hash: who shares it takes turns, and no address leaves this machine.
    """
    client = work.client
    hashed = None if client is None else hashlib.sha256(repr(client).encode()).hexdigest()[:16]
    return {
        "request": asdict(work.request),
        "client": hashed,
        "waited": None if work.since is None else min(MAX_WAITED, max(0.0, now - work.since)),
        "origin": work.origin,
        **{name: getattr(work, name) for name in FLAGS},
    }


def parse_work(content: Any, limits: Limits, now: float, caller: str) -> Work:
    """Work as another server has sent it, checked like everything from outside.

    Args:
        caller: who has sent it, for its clients are its own.

    Raises:
        InvalidRequest: naming the field at fault.
    """
    names = {"request", "client", "waited", "origin", *FLAGS}
    if not isinstance(content, Mapping) or set(content) != names:
        raise InvalidRequest(f"work: its fields are {', '.join(sorted(names))}.", field="work")
    for name in FLAGS:
        if not isinstance(content[name], bool):
            raise InvalidRequest(f"{name}: must be true or false.", field=name)
    if content["origin"] not in get_args(Origin):
        raise InvalidRequest("origin: must be page or api.", field="origin")
    client, waited, asked = content["client"], content["waited"], content["request"]
    if client is not None and not (isinstance(client, str) and len(client) <= MAX_CLIENT):
        raise InvalidRequest("client: must be a short text.", field="client")
    if waited is not None and not is_number(waited, MAX_WAITED):
        raise InvalidRequest(f"waited: from 0 to {MAX_WAITED:g} seconds.", field="waited")
    if not isinstance(asked, Mapping):
        raise InvalidRequest("request: must be an object.", field="request")
    style = asked.get("style")
    request = GenerationRequest.parse({**asked, "style": None}, limits)
    if style is not None:  # its words travel: here it may be unknown, or another
        request = replace(request, style=Style.parse(style))
    return Work(
        request,
        client=None if client is None else ("server", caller, client),
        since=now if waited is None else now - waited,
        origin=content["origin"],
        here=True,
        **{name: content[name] for name in FLAGS},
    )


def status_fields(
    status: EngineStatus, version: str, instance: str, *, draining: bool
) -> dict[str, Any]:
    """What a server says to another about its own engine, whoever stands by for that."""
    state = "closed" if draining else status.own_state or status.state
    return {
        "version": version,
        "instance": instance,
        "fingerprint": status.fingerprint,
        "state": state,
        "waiting": status.waiting,
        "yielding": status.yielding,
        "progress": status.progress,
        **{name: getattr(status, name) for name in TEXTS},
    }


@dataclass(frozen=True, slots=True)
class Told:
    """What another server has said about its engine."""

    version: str
    instance: str
    fingerprint: str
    state: EngineState
    waiting: int
    yielding: int
    progress: float | None  # of loading, 0 … 1
    texts: Mapping[str, str]


def parse_status(content: Any) -> Told:
    """The same as it has arrived.

    Raises:
        ValueError: this is no server of ours, or of another time.
    """
    try:
        return Told(
            str(content["version"]),
            str(content["instance"]),
            str(content["fingerprint"]),
            one_of(content["state"], get_args(EngineState)),
            int(content["waiting"]),
            int(content["yielding"]),
            _share(content.get("progress")),
            {name: str(content[name]) for name in TEXTS},
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"no status ({error})") from None


def _share(value: Any) -> float | None:
    return float(value) if is_number(value, 1.0) else None
