"""Takes one client's messages at a bounded rate, so that a flood slows only its sender.

Of the requests that arrive within a window only the newest is acted on: the last one wins, whatever
is sent. The window grows with the time that the client's messages take, so that no client gets more
than a share of the server's; beyond a number of messages or bytes in a window nothing more is read,
and the network holds the rest back at the sender's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

WINDOW_SECONDS = 0.01
SHARE = 10  # a window is at least so many times as long as acting on its messages takes
MESSAGES = 32  # read in a window
BYTES = 2**18
SHORT = 64  # characters; messages that are no requests are shorter
BESIDE = ("seen", "watch")  # these must not replace a request


class InboundThrottle:
    """Passes a client's messages on; the first at once, of those soon after it the newest."""

    def __init__(self, act: Callable[[str | bytes], None], loop: asyncio.AbstractEventLoop) -> None:
        self._act = act
        self._loop = loop
        self._waiting: dict[str, str | bytes] = {}  # the newest of each kind
        self._end = 0.0  # of the window
        self._messages = self._bytes = 0  # read in the window
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, text: str | bytes) -> float:
        """Takes one message; returns the seconds for which no further one shall be read."""
        self._waiting[_kind(text)] = text
        self._messages += 1
        self._bytes += len(text)
        if self._timer is None:
            if self._loop.time() >= self._end:
                self._flush()
            else:
                self._timer = self._loop.call_at(self._end, self._flush)
        if self._messages < MESSAGES and self._bytes < BYTES:
            return 0.0
        return max(0.0, self._end - self._loop.time())

    def close(self) -> None:
        """Forgets what has not been acted on."""
        self._waiting = {}
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        begun = time.perf_counter()
        waiting, self._waiting = self._waiting, {}
        self._timer = None
        self._messages = self._bytes = 0
        for text in waiting.values():
            self._act(text)
        spent = time.perf_counter() - begun
        self._end = self._loop.time() + max(WINDOW_SECONDS, SHARE * spent)


def _kind(text: str | bytes) -> str:
    """Which messages a message replaces."""
    if len(text) > SHORT:
        return "request"
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return "request"
    fields = content if isinstance(content, dict) else {}
    return next((name for name in BESIDE if name in fields), "request")
