"""Notices that the device has stopped answering: work is there, and nothing comes of it.

A call that hangs raises nothing, so somebody else has to look. Time counts only as far as this
thread ran, too: a machine that slept, or a process that was stopped, has not hung.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

HUNG_SECONDS = 60.0  # without anything, at least: reading weights from a slow disk takes long
HUNG_TIMES = 20.0  # what the longest call should take
TICK_SECONDS = 1.0
HUNG = (
    "The device has not answered for {seconds:.0f} s; nothing more can be painted until the demo "
    "has been started again."
)


class Watchdog:
    """A thread that watches one engine's work until it ends."""

    def __init__(
        self,
        expected: Callable[[], float | None],
        hung: Callable[[str], None],
        *,
        hung_seconds: float = HUNG_SECONDS,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        """
        Args:
            expected: seconds that the longest call for what is there should take; None where
                nothing is asked of the device. Called on this thread.
            hung: called at most once, on this thread, with a sentence.
        """
        self._expected, self._hung = expected, hung
        self._least, self._tick = hung_seconds, tick_seconds
        self._beats = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watches from now on."""
        self._thread.start()

    def beat(self) -> None:
        """The device has done something; on its thread, at every event."""
        self._beats += 1

    def close(self) -> None:
        """Ends the watching, and lets go of the engine, which holds this object."""
        self._ended.set()
        self._expected, self._hung = _nothing, _quiet

    def _watch(self) -> None:
        silent, heard, before = 0.0, self._beats, time.monotonic()
        while not self._ended.wait(self._tick):
            now = time.monotonic()
            # A tick that took longer is one in which this thread did not run, either.
            passed, before = min(max(0.0, now - before), 2 * self._tick), now
            expected = self._expected()
            if expected is None or heard != self._beats:
                silent, heard = 0.0, self._beats
                continue
            silent += passed
            if silent >= max(self._least, HUNG_TIMES * expected):
                self._hung(HUNG.format(seconds=silent))
                return


def _nothing() -> None:
    """Nothing is asked of a device."""


def _quiet(sentence: str) -> None:
    """Nobody is there to be told."""
