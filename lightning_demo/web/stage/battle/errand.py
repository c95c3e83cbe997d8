"""Something that takes a while, one at a time: a target to be painted, pictures to be compared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ....errors import report_incident

log = logging.getLogger(__name__)


class Errand:
    """Belongs to one event loop."""

    def __init__(self, done: Callable[[str], None]) -> None:
        """
        Args:
            done: told when one has ended, with what went wrong, in words for the presenter.
        """
        self._done = done
        self._task: asyncio.Task[None] | None = None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Takes the place of the one that is on."""
        self.drop()
        self._task = asyncio.create_task(self._see_to(work))

    def drop(self) -> None:
        """Whatever is on is not wanted any more, and tells nothing."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _see_to(self, work: Coroutine[Any, Any, None]) -> None:
        problem = ""
        try:
            await work
        except Exception as error:
            problem = report_incident(error, "The battle could not go on", log).message
        self._done(problem)
