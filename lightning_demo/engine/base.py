"""The Engine protocol: work goes in, a stream of values comes out, wherever it is computed.

Everything that passes is immutable and can be pickled, so that an engine may live in this thread,
in another process or on another machine.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ..errors import GenerationFailed
from ..schemas import EngineStatus, Frame, GenerationRequest


@dataclass(frozen=True, slots=True)
class Work:
    """A request, with who asks for it and since when.

    A session that replaces a request that has not started hands the old `since` to the new work;
    otherwise somebody who types fast would never be served beside somebody who does not.
    """

    request: GenerationRequest
    client: Hashable = None  # whose requests take turns; None: a client of its own
    since: float | None = None  # time.monotonic() when the waiting began; None: on arrival
    draft: bool = False  # the final may be by the preview decoder: quicker, and not what is kept


@dataclass(frozen=True, slots=True)
class Started:
    """The work has left the queue: its first step is next."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an engine expects of a request, by what its work has cost of late."""

    ahead: int  # requests in the queue that are served before it
    wait: float  # seconds until its first step
    work: float  # seconds from there to its final picture


Stream: TypeAlias = AsyncGenerator[Started | Frame, None]


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

    def generate(self, work: Work) -> Stream:
        """Yields at most one `Started`, then frames, steps ascending, the last one final.

        Each value replaces what has not been read, so `Started` may be missed and previews may;
        the final never is. Closing the iterator stops the work within one step.

        Raises:
            LightningError: the request cannot be painted; other requests are not affected.
        """
        ...

    async def aclose(self) -> None:
        """Stops: running and waiting requests end with EngineUnavailable, and so do later ones."""
        ...


async def final_frame(engine: Engine, work: Work) -> Frame:
    """The finished picture.

    Raises:
        LightningError: there is none.
    """
    async with aclosing(engine.generate(work)) as values:
        async for value in values:
            if isinstance(value, Frame) and value.final:
                return value
    raise GenerationFailed("The picture was not finished.")
