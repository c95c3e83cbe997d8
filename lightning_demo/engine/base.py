"""The Engine protocol: work goes in, a stream of values comes out, wherever it is computed.

Everything that passes is immutable and can be pickled, so that an engine may live in this thread,
in another process or on another machine.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from ..errors import EngineUnavailable, GenerationFailed, LightningError
from ..schemas import EngineStatus, Frame, GenerationRequest

STOPPED = "The engine has stopped."
NOT_LOADED = "The model could not be loaded"
NOT_PAINTED = "This picture could not be painted"
UNFINISHED = "The picture was not finished."
STOP_SECONDS = 10.0  # that closing waits for what is on its way
MAX_WAITING = 512  # requests

Origin = Literal["page", "api"]  # a visitor of the page, or a program


@dataclass(frozen=True, slots=True)
class Work:
    """A request, with who asks for it and since when.

    A session that replaces a request that has not started hands the old `since` to the new work;
    otherwise somebody who types fast would never be served beside somebody who does not.

    `client` and `since` are the claim to a place in the queue; `Engine.amend` changes it.
    """

    request: GenerationRequest
    client: Hashable = None  # whose requests take turns; None: a client of its own
    since: float | None = None  # time.monotonic() when the waiting began; None: on arrival
    draft: bool = False  # the final may be by the preview decoder: quicker, and not what is kept
    # A guess at what will be asked for: painted only while nobody wants anything, without previews.
    ahead: bool = False
    # Asked by a page that plays by itself while nobody is there. Such a guess may be looked at, so
    # it is painted even where calls take long.
    attract: bool = False
    previews: bool = True  # whether frames before the final are looked at; otherwise none are made
    paused: bool = False  # whoever asks has stopped typing and waits for this: goes first (`queue`)
    # Gives way to all work that does not: an audience's, beside the presenter's (`precedence`).
    yields: bool = False
    # Must be painted on this machine or not at all: another server asks, and this one must not hand
    # the work on to a third, or back.
    here: bool = False
    origin: Origin = "page"  # for the metrics; nobody's turn depends on it
    # The live session that asks. Where several engines serve as one, it stays with the engine that
    # remembers its prompts. Other servers are not told, and equal work may differ in it.
    session: Hashable = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Started:
    """The work has left the queue: its first step is next."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """The work had started and waits again: whoever painted it is gone."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an engine expects of a request, by what its work has cost of late."""

    ahead: int  # requests in the queue that are served before it
    wait: float  # seconds until its first step
    work: float  # seconds from there to its final picture

    @property
    def seconds(self) -> float:
        """Until its final picture."""
        return self.wait + self.work


Value: TypeAlias = Started | Requeued | Frame
Stream: TypeAlias = AsyncGenerator[Value, None]


class Engine(Protocol):
    """Serves work as streams of frames.

    One contract test suite runs against every implementation (`tests/engine/contract.py`).
    """

    def status(self) -> EngineStatus:
        """What the engine is and how it is doing; never waits."""
        ...

    def forecast(self, work: Work) -> Forecast | None:
        """What to expect for work that waits in the queue, or would join it now; never waits.

        None when that is not known.
        """
        ...

    def amend(self, work: Work, amended: Work) -> None:
        """Changes the claim of work that waits in the queue; never waits.

        Whoever reads its stream reads on. Work that has started keeps its claim, and nothing
        changes where `amended` has no `since`. Three things may change at any time: whether it is
        a guess (`ahead`), whether it gives way (`yields`), and whether its previews are looked at.
        """
        ...

    def generate(self, work: Work) -> Stream:
        """Yields `Started`, then frames, steps ascending, the last one final.

        Where the full decoder is slow, the last step has two frames, the first of them by the
        preview decoder. Where an engine hands work on to another, `Requeued` and a second `Started`
        may be among them. Each value replaces the unread one, so all but the final may be missed.
        Closing the iterator stops the work within one step.

        Raises:
            LightningError: the request cannot be painted; other requests are not affected.
        """
        ...

    async def aclose(self) -> None:
        """Stops: running and waiting requests end with EngineUnavailable, and so do later ones."""
        ...


def failure_detail(error: BaseException, sentence: str, log: logging.Logger) -> str:
    """Logs what has ended an engine, and puts it in words: its own, where those are for people."""
    known = isinstance(error, LightningError)
    words = str(error) if known else f"{sentence} ({error})."
    log.error("the engine ends: %s", words, exc_info=None if known else error)
    return words


def check_room(waiting: int, max_waiting: int = MAX_WAITING) -> None:
    """Refuses one more where too many are waiting.

    Raises:
        EngineUnavailable: saying how many.
    """
    if waiting >= max_waiting:
        raise EngineUnavailable(
            f"{max_waiting} pictures are waiting already; try again in a moment."
        )


async def final_frame(engine: Engine, work: Work) -> Frame:
    """The finished picture.

    Raises:
        LightningError: there is none.
    """
    async with aclosing(engine.generate(work)) as values:
        async for value in values:
            if isinstance(value, Frame) and value.final:
                return value
    raise GenerationFailed(UNFINISHED)
