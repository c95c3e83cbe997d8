"""The Engine protocol: what serves requests, whoever asks and wherever it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable
from dataclasses import dataclass
from typing import Protocol

from ..schemas import EngineStatus, Frame, GenerationRequest


@dataclass(slots=True)
class Place:
    """A session's place in line, kept while its request waits and given up when work starts.

    A session that replaces a request that has not started hands its place to the next one;
    otherwise somebody who types fast would never be served beside somebody who does not.
    """

    since: float | None = None  # time.monotonic() when the waiting began
    client: Hashable = None  # whose requests take turns; None: a client of its own


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an engine expects of a request, by what its work has cost of late."""

    ahead: int  # requests in the line that are served before it
    wait: float  # seconds until its first step
    work: float  # seconds from there to its final picture


class Engine(Protocol):
    """Serves requests as streams of frames.

    One contract test suite runs against every implementation (`tests/engine/contract.py`).
    """

    def status(self) -> EngineStatus:
        """What the engine is and how it is doing; never waits."""
        ...

    def forecast(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> Forecast | None:
        """How a request would fare that was made now; never waits.

        None when that is not known. For a place that stands in the line: how what waits there
        fares.
        """
        ...

    def generate(
        self, request: GenerationRequest, *, place: Place | None = None, draft: bool = False
    ) -> AsyncGenerator[Frame, None]:
        """Yields frames of one request, steps ascending, the last one final.

        Previews may be left out when the reader is slow or others wait; the final never is. The
        request that has waited longest is served next. Closing the iterator stops the work within
        one step.

        Args:
            place: the place in line to take; a new one at the end when absent.
            draft: the final may be by the preview's decoder: quicker, and not what is kept.

        Raises:
            LightningError: the request cannot be painted; other requests are not affected.
        """
        ...

    async def aclose(self) -> None:
        """Stops: running and waiting requests end with EngineUnavailable, and so do later ones."""
        ...
