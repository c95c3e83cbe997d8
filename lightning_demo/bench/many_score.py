"""How people were served: waits, pictures, steps and fairness, from what was recorded.

A *wait* is a key after which somebody rests for at least `typists.WAIT`, or stops for good. It
lasts from the moment the key was due (not when a busy benchmark pressed it) until a finished
picture of that text, or of a later one, is shown. Keys are typed whether or not pictures come. A
wait ends in one of three ways:

* the finished picture comes while the user rests;
* the user types on before it: the wait is superseded, and lasts until a later text's finished
  picture, which is at least as long as was truly waited;
* neither comes by the end, `PATIENCE` after the user's last key or later: the wait is lost, and
  counts as long as it was waited for. A percentile that falls on one is a lower bound.

First paint is the same for every key, until any picture of that text or a later one.

Fairness is Jain's index (sum of x)^2 / (n * sum of x^2) of x = 1 / mean wait of each user, over all
visits. Mean waits below `NOTICED` count as that long: whoever is served from the server's memory is
not served unfairly often. It is 1 when everybody waits as long on average, and k/n when k of n are
served and the others hardly at all. Users wait only a few times each, so chance alone keeps it
below 1, the more so the fewer the rounds.

Wasted steps are those that the server executed and nobody saw: all, less the highest step shown of
each request that was painted for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .report import p50_p95, percentile

NOTICED = 0.1  # seconds; a shorter wait feels like none
PATIENCE = 30.0  # seconds after a user's last key


@dataclass(frozen=True, slots=True)
class Press:
    """A key of one visit."""

    due: float  # when it was to be pressed, seconds
    waits: bool
    pressed: float  # when it was


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture shown."""

    at: float  # seconds
    key: int  # whose text it shows
    step: int  # 1 … steps
    steps: int  # of the request
    final: bool
    painted: bool = True  # not from the server's memory


@dataclass(slots=True)
class Visit:
    """One user's typing and all that came back, oldest first."""

    presses: list[Press] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    ended: float = 0.0  # when no more was waited for, seconds
    problems: list[str] = field(default_factory=list)  # what the server or the connection said


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait for a finished picture."""

    seconds: float
    lost: bool = False
    superseded: bool = False  # the user typed on before


@dataclass(frozen=True, slots=True)
class Round:
    """All users' visits at one server at the same time."""

    visits: tuple[Visit, ...]  # by user
    steps: int | None  # executed by the server; None: it does not tell
    client_cpu_share: float  # of one core, by the process that types


def waits(visit: Visit) -> list[Wait]:
    """Every wait of a visit."""
    found = []
    for key, press in enumerate(visit.presses):
        if not press.waits:
            continue
        came = _first(visit, key, final=True)
        if came is None:
            found.append(Wait(visit.ended - press.due, lost=True))
        else:
            typed_on = key + 1 < len(visit.presses) and came > visit.presses[key + 1].due
            found.append(Wait(came - press.due, superseded=typed_on))
    return found


def first_paints(visit: Visit) -> list[float]:
    """Seconds to the first picture for every key; at least those, where none came."""
    return [
        (visit.ended if came is None else came) - press.due
        for key, press in enumerate(visit.presses)
        for came in [_first(visit, key, final=False)]
    ]


def useful_steps(visit: Visit) -> int:
    """Steps that led to a picture shown. A draft and its refinement are two requests."""
    highest: dict[tuple[int, int], int] = {}
    for picture in visit.pictures:
        if picture.painted:
            request = picture.key, picture.steps
            highest[request] = max(highest.get(request, 0), picture.step)
    return sum(highest.values())


def jain(values: Sequence[float]) -> float:
    """Jain's index of non-negative values, 1/n … 1; of none or of zeros alone it is 1."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def rate(waits: Sequence[float]) -> float:
    """Waits served per second of waiting; 0 when there was none."""
    return len(waits) / max(sum(waits), NOTICED * len(waits)) if waits else 0.0


def score(rounds: Sequence[Round]) -> dict[str, Any]:
    """The figures of one server, over all rounds."""
    visits = [visit for each in rounds for visit in each.visits]
    found = [wait for visit in visits for wait in waits(visit)]
    times = [1000 * wait.seconds for wait in found]
    spans = [_span(each) for each in rounds]
    pictures = [picture for visit in visits for picture in visit.pictures]
    executed = [each.steps for each in rounds if each.steps is not None]
    steps = sum(executed) if len(executed) == len(rounds) else None
    lags = [1000 * (press.pressed - press.due) for visit in visits for press in visit.presses]
    result = {
        "users": len(rounds[0].visits),
        "last_key_to_final_ms": {**p50_p95(times), "max": round(max(times), 2)},
        "first_paint_ms": p50_p95([1000 * t for visit in visits for t in first_paints(visit)]),
        "pictures_per_second": round(len(pictures) / sum(spans), 2),
        "finals_per_second": round(sum(p.final for p in pictures) / sum(spans), 2),
        "steps": steps,
        "wasted_steps": None if steps is None else max(0, steps - sum(map(useful_steps, visits))),
        "fairness": round(jain(_rates(rounds)), 3),
        "waits": len(found),
        "superseded_waits": sum(wait.superseded for wait in found),
        "lost_finals": sum(wait.lost for wait in found),
        "client_cpu_share": round(max(each.client_cpu_share for each in rounds), 2),
        "typing_lag_p95_ms": round(percentile(lags, 0.95), 2),
    }
    problems = sorted({problem for visit in visits for problem in visit.problems})
    return {**result, "problems": problems[:5]} if problems else result


def _rates(rounds: Sequence[Round]) -> list[float]:
    """Each user's waits served per second of waiting, over all visits."""
    rates = []
    for user in range(len(rounds[0].visits)):
        own = [wait.seconds for each in rounds for wait in waits(each.visits[user])]
        rates.append(rate(own))
    return rates


def _span(each: Round) -> float:
    """Seconds from the first key of a round to the end of the last user's waiting."""
    begun = min(visit.presses[0].due for visit in each.visits)
    return max(visit.ended for visit in each.visits) - begun


def _first(visit: Visit, key: int, *, final: bool) -> float | None:
    """When the first picture of a key or a later one was shown."""
    shown = (p.at for p in visit.pictures if p.key >= key and (p.final or not final))
    return next(shown, None)
