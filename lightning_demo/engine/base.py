"""The Engine protocol: what serves requests, whoever asks and wherever it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from ..schemas import EngineStatus, Frame, GenerationRequest


class Engine(Protocol):
    """Serves requests as streams of frames.

    One contract test suite runs against every implementation (`tests/engine/contract.py`).
    """

    def status(self) -> EngineStatus:
        """What the engine is and how it is doing; never waits."""
        ...

    def generate(
        self, request: GenerationRequest, *, since: float | None = None
    ) -> AsyncIterator[Frame]:
        """Yields frames of one request, steps ascending, the last one final.

        Previews may be left out when the reader is slow; the final never is. Closing the
        iterator stops the work within one step.

        Args:
            since: the `time.monotonic()` moment from which this request counts as waiting;
                the oldest goes first. A session that replaces a request that has not started
                hands on its place in line. Default: now.

        Raises:
            LightningError: the request cannot be painted; other requests are not affected.
        """
        ...

    async def aclose(self) -> None:
        """Finishes nothing more: running and waiting requests end with EngineUnavailable."""
        ...
