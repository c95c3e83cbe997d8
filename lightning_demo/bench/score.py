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

import numpy as np

from .report import p50_p95, percentile

NOTICED = 0.1  # seconds; a shorter wait feels like none
PATIENCE = 30.0  # seconds after a user's last key


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key of one user."""

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
class Trace:
    """One user's typing and all that was shown, oldest first and never going back to a key."""

    presses: list[KeyPress] = field(default_factory=list)
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
    """All users at one server at the same time."""

    traces: tuple[Trace, ...]  # by user
    steps: int | None  # executed by the server; None: it does not tell
    client_cpu_share: float = 0.0  # of one core, by the process that types


def waits(trace: Trace) -> list[Wait]:
    """Every wait of a user."""
    found = []
    for key, (press, came) in enumerate(zip(trace.presses, _shown(trace, final=True), strict=True)):
        if not press.waits:
            continue
        if came is None:
            found.append(Wait(trace.ended - press.due, lost=True))
        else:
            typed_on = key + 1 < len(trace.presses) and came > trace.presses[key + 1].due
            found.append(Wait(came - press.due, superseded=typed_on))
    return found


def first_paints(trace: Trace) -> list[float]:
    """Seconds to the first picture for every key; at least those, where none came."""
    shown = zip(trace.presses, _shown(trace, final=False), strict=True)
    return [(trace.ended if came is None else came) - press.due for press, came in shown]


def useful_steps(trace: Trace) -> int:
    """Steps that led to a picture shown. A draft and its refinement are two requests."""
    highest: dict[tuple[int, int], int] = {}
    for picture in trace.pictures:
        if picture.painted:
            request = picture.key, picture.steps
            highest[request] = max(highest.get(request, 0), picture.step)
    return sum(highest.values())


def jain(values: Sequence[float]) -> float:
    """Jain's index of non-negative values, 1/n … 1; of none or of zeros alone it is 1."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def rate(waits: Sequence[Wait]) -> float:
    """Waits served per second of waiting; 0 when there was none."""
    total = sum(wait.seconds for wait in waits)
    return len(waits) / max(total, NOTICED * len(waits)) if waits else 0.0


def score(rounds: Sequence[Round]) -> dict[str, Any]:
    """The figures of one server, over all rounds."""
    traces = [trace for each in rounds for trace in each.traces]
    by_trace = [waits(trace) for trace in traces]
    found = [wait for of_trace in by_trace for wait in of_trace]
    users = len(rounds[0].traces)
    lives = [sum(by_trace[user::users], []) for user in range(users)]  # of each user, all rounds
    seconds = sum(_span(each) for each in rounds)
    pictures = [picture for trace in traces for picture in trace.pictures]
    executed = [each.steps for each in rounds if each.steps is not None]
    steps = sum(executed) if len(executed) == len(rounds) else None
    result = {
        "users": users,
        "last_key_to_final_ms": _spread([wait.seconds for wait in found]),
        "first_paint_ms": _spread([wait for trace in traces for wait in first_paints(trace)]),
        "pictures_per_second": round(len(pictures) / seconds, 2),
        "finals_per_second": round(sum(p.final for p in pictures) / seconds, 2),
        "steps": steps,
        "wasted_steps": None if steps is None else max(0, steps - sum(map(useful_steps, traces))),
        "fairness": round(jain([rate(life) for life in lives]), 3),
        "waits": len(found),
        "superseded_waits": sum(wait.superseded for wait in found),
        "lost_finals": sum(wait.lost for wait in found),
    }
    problems = sorted({problem for trace in traces for problem in trace.problems})
    return {**result, "problems": problems[:5]} if problems else result


def client_load(rounds: Sequence[Round]) -> dict[str, float]:
    """What the process that types had to do: figures of a busy one say little of the server."""
    presses = [press for each in rounds for trace in each.traces for press in trace.presses]
    lags = [1000 * (press.pressed - press.due) for press in presses]
    return {
        "client_cpu_share": round(max(each.client_cpu_share for each in rounds), 2),
        "typing_lag_p95_ms": round(percentile(lags, 0.95), 2),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    milliseconds = [1000 * each for each in seconds]
    return {**p50_p95(milliseconds), "max": round(max(milliseconds), 2)}


def _span(each: Round) -> float:
    """Seconds from the first key of a round to the end of the last user's waiting."""
    begun = min(trace.presses[0].due for trace in each.traces)
    return max(trace.ended for trace in each.traces) - begun


def _shown(trace: Trace, *, final: bool) -> list[float | None]:
    """For each key, when the first picture of it or of a later one was shown."""
    pictures = [picture for picture in trace.pictures if picture.final or not final]
    times = [*(picture.at for picture in pictures), None]
    keys = [picture.key for picture in pictures]
    return [times[place] for place in np.searchsorted(keys, range(len(trace.presses)))]
