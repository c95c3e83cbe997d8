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
    # Of a page that plays by itself while nobody is at it: a guess that is looked at, and so is
    # painted also where a call takes long.
    attract: bool = False
    previews: bool = True  # whether frames before the final are looked at; else none are made
    paused: bool = False  # whoever asks has stopped typing, and waits: goes first (`queue`)
    # It gives way to all that does not: one of an audience, beside whoever presents (`queue`).
    yields: bool = False
    # Of another server, which stands by for this one perhaps: painted on this machine, or not.
    here: bool = False
    origin: Origin = "page"  # for the measurements; nobody's turn depends on it
    # Whose prompts and pictures an engine may remember; where several engines are one, each session
    # stays with its own. Travels no further, and is no part of what work is.
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
        """How work would fare that came now, or fares that waits in the queue; never waits.

        None when that is not known.
        """
        ...

    def amend(self, work: Work, amended: Work) -> None:
        """Gives work that waits in the queue another claim; never waits.

        Whoever reads its stream reads on. Nothing happens to work that does not wait, nor by a
        claim without a time; but whatever has been painted of a guess, it may become wanted, and
        what is wanted a guess; it may give way or not, and its previews may be looked at or not.
        """
        ...

    def generate(self, work: Work) -> Stream:
        """Yields `Started`, then frames, steps ascending, the last one final.

        Where the full decoder is slow, the last step has two: the first by the preview decoder.
        Where an engine hands work on to another, `Requeued` and a second `Started` may be among
        them. Each value replaces what has not been read, so all but the final may be missed.
        Closing the iterator stops the work within one step.

        Raises:
            LightningError: the request cannot be painted; other requests are not affected.
        """
        ...

    async def aclose(self) -> None:
        """Stops: running and waiting requests end with EngineUnavailable, and so do later ones."""
        ...


def failure_detail(error: BaseException, sentence: str, log: logging.Logger) -> str:
    """Logs what has ended an engine, and says it: an error's own words if they are for people."""
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
