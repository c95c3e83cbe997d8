"""Which of several engines gets a request: the first of a list, or the one with least to do.

Both only order the places; `FailoverEngine` takes the first of them that is well. Never imports
torch.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Protocol

from .attempt import Place
from .base import Work

LONG_LINE = 2  # requests that wait at one's own engine, from which on an idle one is asked
SESSIONS = 4096  # whose engine is remembered
RECENT_SECONDS = 60.0  # since its last request, within which a session counts as work to come


class Choice(Protocol):
    """A way to choose."""

    ordered: bool  # whether the first place is the one that is meant to paint

    def order(self, places: Sequence[Place], work: Work) -> Sequence[Place]:
        """All of them, those that should get the work first."""
        ...

    def given(self, place: Place, work: Work) -> None:
        """A place has got it."""
        ...


class Ordered:
    """This machine, then those that stand by for it, as they were named."""

    ordered = True

    def order(self, places: Sequence[Place], work: Work) -> Sequence[Place]:
        """See `Choice.order`."""
        return places

    def given(self, place: Place, work: Work) -> None:
        """See `Choice.given`."""


class Balanced:
    """Equal engines: a session stays where its prompts are known, work goes where least is done.

    A new session goes to the engine with the least work and the fewest sessions that were there of
    late; one whose engine is gone does, too. A request of a session whose engine has a line goes to
    an idle one, and the session stays. Whatever has no session goes where least is done.
    """

    ordered = False

    def __init__(self) -> None:
        self._homes: OrderedDict[Hashable, tuple[Place, float]] = OrderedDict()

    def order(self, places: Sequence[Place], work: Work) -> Sequence[Place]:
        """See `Choice.order`."""
        home = self._homes.get(work.session, (None, 0.0))[0]
        loads = {place: place.load for place in places}
        sessions = dict.fromkeys(places, 0)
        if work.session is not None and home not in sessions:
            since = time.monotonic() - RECENT_SECONDS
            for place, at in tuple(self._homes.values()):
                if place in sessions and at >= since:
                    sessions[place] += 1
        ordered = sorted(places, key=lambda place: loads[place] + sessions[place])
        if home in sessions and not (self._crowded(home) and any(place.free for place in places)):
            ordered.sort(key=lambda place: place is not home)
        return ordered

    def given(self, place: Place, work: Work) -> None:
        """See `Choice.given`."""
        if work.session is None:
            return
        home = self._homes.pop(work.session, (place, 0.0))[0]
        # One that is only crowded is kept: there the session's prompts are known.
        well = home.engine.status().state == "ready" and not home.ejected and not home.left
        self._homes[work.session] = home if well else place, time.monotonic()
        while len(self._homes) > SESSIONS:
            self._homes.popitem(last=False)

    def _crowded(self, place: Place | None) -> bool:
        return place is not None and place.line >= LONG_LINE
