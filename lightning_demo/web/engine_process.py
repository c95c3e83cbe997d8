"""The process in which the device is, with `--engine process`; see `engine/process.py`.

It reads its key from standard input, writes its address to standard output, and ends when standard
input closes: whoever has started it is gone then, in whatever way. It ends by itself, too, when its
engine has failed: a driver that is lost comes back in a new process only.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from ..interpreter import answer_soon
from ..settings import Settings
from .engine_server import EngineServer

LOOPBACK = "127.0.0.1"
LOOK_SECONDS = 0.1
TOLD_SECONDS = 1.0  # in which it can be asked why it has failed
DRAIN_SECONDS = 2.0


def main(make: Callable[[Settings, str], EngineServer] = EngineServer) -> None:
    """Serves until standard input closes or the engine has failed; never returns.

    Args:
        make: settings and key to what serves.
    """
    # A key in the terminal, and a supervisor that asks all processes of a service, end the page's
    # process, which ends this one when it has drained.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Not ignored: the process that compiles would inherit that, and is ended by this signal.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    level = logging.DEBUG if "--verbose" in sys.argv else logging.INFO
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    answer_soon()
    key = sys.stdin.readline().strip()
    out, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    server = make(Settings.from_environment(), key)
    print(server.listen(LOOPBACK), file=out, flush=True)
    ended = threading.Event()
    threading.Thread(target=_read_to_the_end, args=[ended], daemon=True).start()
    while not ended.wait(LOOK_SECONDS):
        if server.failed:
            ended.wait(TOLD_SECONDS)
            _leave(1)
    server.drain(DRAIN_SECONDS)
    server.close()
    _leave(0)


def _read_to_the_end(ended: threading.Event) -> None:
    while os.read(0, 1):  # not `sys.stdin`: its lock would be held when this process ends
        pass
    ended.set()


def _leave(code: int) -> None:
    """Whatever still computes: Python cannot unwind a thread inside torch."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
