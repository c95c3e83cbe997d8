"""In place of the replicas that are wanted and not there: whoever comes waits until one is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ..errors import EngineUnavailable
from ..schemas import EngineStatus
from .base import STOPPED, Forecast, Stream, Work

STARTING = "Engines are being started."
LOOK_SECONDS = 0.1  # between two looks at whether waiting is in vain


class AwaitedEngine:
    """Paints nothing; `FailoverEngine` takes what waits here to the first engine that is ready."""

    def __init__(self, expected: EngineStatus) -> None:
        self._about = replace(expected, state="loading", detail=STARTING, engines_ready=0)
        self._waiting: dict[object, Work] = {}

    def tell(self, missing: int, problem: str = "") -> None:
        """How many replicas are wanted and not there; from any thread.

        Args:
            problem: why there will be none.
        """
        if self._about.state != "closed":
            state, detail = ("failed", problem) if problem else ("loading", STARTING)
            self._about = replace(
                self._about,
                state=state,  # type: ignore[arg-type]
                detail=detail,
                engines=missing,
            )

    def status(self) -> EngineStatus:
        """See `Engine.status`."""
        works = [work for work in tuple(self._waiting.values()) if not work.ahead]
        yielding = sum(work.yields for work in works)
        return replace(self._about, waiting=len(works), yielding=yielding)

    def forecast(self, work: Work) -> Forecast | None:
        """See `Engine.forecast`; nobody knows."""
        return None

    def amend(self, work: Work, amended: Work) -> None:
        """See `Engine.amend`."""
        if amended.since is not None:
            self._waiting |= {name: amended for name, w in self._waiting.items() if w == work}

    async def generate(self, work: Work) -> Stream:
        """Waits until it is closed.

        Raises:
            EngineUnavailable: there will be no engine.
        """
        name = object()
        self._waiting[name] = work
        try:
            while self._about.state == "loading":  # noqa: ASYNC110 - told by another thread
                await asyncio.sleep(LOOK_SECONDS)
            raise EngineUnavailable(self._about.detail)
            yield
        finally:
            self._waiting.pop(name, None)

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._about = replace(self._about, state="closed", detail=STOPPED)
